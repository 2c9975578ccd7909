-- dispatch: from here the provider may bill, for a hold (node_id) or for a call of a driver's own (pool_id, ledger_private.dispatch_call).
-- Repeating it for a hold is ok. Errors: LG002, LG003, LG001 (a root holds nothing), LG004. Refusals: pool-closed, for a call.
create or replace function ledger_private.op_dispatch(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes;
  v_failed ledger_private.answer;
  v_event ledger_private.journal;
begin
  if p_operation ? 'pool_id' then
    return ledger_private.dispatch_call(p_tenant_id, p_operation, p_at);
  end if;
  v_node := ledger_private.find_node(p_tenant_id, p_operation ->> 'node_id');
  v_failed := ledger_private.no_open_hold(v_node, p_operation);
  if v_failed.status is not null then
    return v_failed;
  elsif v_node.status = 'dispatched' then
    return ledger_private.ok(v_node.parent_node_id, null);
  end if;
  v_event := ledger_private.event(ledger_private.find_pool(p_tenant_id, v_node.parent_node_id), 'dispatched', p_operation, p_at);
  v_event.node_id := v_node.node_id;
  v_event.tags := ledger_private.tags_of(v_node.tags, p_operation -> 'tags');
  update ledger_private.nodes n set status = 'dispatched', dispatched_at = p_at where n.tenant_id = p_tenant_id and n.node_id = v_node.node_id;
  return ledger_private.ok(v_node.parent_node_id, ledger_private.post(v_event));
end;
$$;
