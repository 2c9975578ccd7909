-- deliver: the next cursor, from 0, to the child of the pool whose terminal row is earliest and undelivered. All null where nothing waits.
-- Errors: LG002.
create or replace function ledger_private.op_deliver(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_head ledger_private.pool_heads;
  v_node ledger_private.nodes;
  v_event ledger_private.journal;
  v_seq bigint;
begin
  select * into v_head from ledger_private.pool_heads h where h.tenant_id = p_tenant_id and h.pool_id = p_operation ->> 'pool_id';
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  elsif v_head.undelivered = 0 then
    return ledger_private.ok(v_pool.pool_id, null, '{"node_id": null, "cursor": null, "outcome": null, "out_ref": null}');
  end if;
  select j.seq, j.node_id into strict v_seq, v_event.node_id
  from ledger_private.history j
  where j.tenant_id = p_tenant_id and j.pool_id = v_pool.pool_id and j.seq > v_head.delivered_seq
    and j.kind in ('settled', 'cancelled', 'expired')
  order by j.seq
  limit 1;
  update ledger_private.nodes n set cursor = v_head.next_cursor
  where n.tenant_id = p_tenant_id and n.node_id = v_event.node_id
  returning * into strict v_node;
  update ledger_private.pool_heads h
  set delivered_seq = v_seq, next_cursor = h.next_cursor + 1, undelivered = h.undelivered - 1
  where h.tenant_id = p_tenant_id and h.pool_id = v_pool.pool_id;

  v_event := ledger_private.event(v_pool, 'delivered', p_operation, p_at);
  v_event.node_id := v_node.node_id;
  v_event.outcome := v_node.status;
  v_event.out_ref := v_node.out_ref;
  v_event.detail := jsonb_build_object('cursor', v_node.cursor);
  return ledger_private.ok(v_pool.pool_id, ledger_private.post(v_event), jsonb_build_object(
    'node_id', v_node.node_id, 'cursor', v_node.cursor, 'outcome', v_node.status, 'out_ref', v_node.out_ref
  ));
end;
$$;
