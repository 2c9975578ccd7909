-- Ends a node that owns a pool: `closed` in its pool (what is free of capped channels goes back), then `settled` or `cancelled` in its parent's,
-- which commits exactly what the pool committed. Nothing is stated by the caller: the spend is computed here. A pool without a parent keeps its
-- row as it was. Errors: LG004 already closed, LG007 open holds.
create or replace function ledger_private.settle_pool(
  p_node ledger_private.nodes,
  p_status text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_node.tenant_id, p_node.node_id);
  v_parent ledger_private.pools;
  v_usage ledger_private.usage;
  v_back ledger_private.move[];
  v_rows ledger_private.channels[];
  v_closed ledger_private.journal;
  v_settled ledger_private.journal;
  v_extra jsonb;
begin
  if v_pool.state = 'closed' then
    return ledger_private.failed('LG004', 'node_id', format('node %s has already ended', p_node.node_id));
  elsif (
    select h.open_holds > 0 from ledger_private.pool_heads h where h.tenant_id = v_pool.tenant_id and h.pool_id = v_pool.pool_id
  ) then
    return ledger_private.failed('LG007', 'pool_id', format('pool %s has open holds: settle or cancel its children first', v_pool.pool_id));
  end if;
  v_usage := ledger_private.pool_usage(v_pool.tenant_id, v_pool.pool_id);
  v_closed := ledger_private.with_ending(ledger_private.event(v_pool, 'closed', p_operation, p_at), p_node, p_status, p_operation);
  v_back := ledger_private.giving_back(v_pool);
  v_extra := jsonb_build_object(
    'spend', ledger_private.spend_json(v_usage), 'violations', ledger_private.violations(v_usage, p_node.budget),
    'returned', ledger_private.returned(v_back)
  );
  v_closed.seq := ledger_private.post(v_closed, v_back);
  v_rows := ledger_private.pool_channels(v_pool);
  perform ledger_private.set_pool_state(v_pool, 'closed');
  perform ledger_private.end_run(v_pool, p_status, p_operation);
  if v_pool.parent_pool_id is not null then
    v_parent := ledger_private.find_pool(v_pool.tenant_id, v_pool.parent_pool_id);
    v_settled := ledger_private.event_for(v_parent, case p_status when 'cancelled' then 'cancelled' else 'settled' end, v_closed, p_node.node_id);
    v_settled.reason := v_closed.reason;
    v_settled := ledger_private.with_usage(ledger_private.with_ending(v_settled, p_node, p_status, p_operation), v_usage);
    v_settled.seq := ledger_private.post(v_settled, ledger_private.passed_up(v_parent.pool_id, v_rows, null, p_node.hold), -1, 0, 1);
  end if;
  perform ledger_private.end_node(p_node, p_status, v_settled.seq, p_operation, p_at);
  return case
    when v_parent.pool_id is null then ledger_private.ok(v_pool.pool_id, v_closed.seq, v_extra)
    else ledger_private.ok(v_parent.pool_id, v_settled.seq, v_extra)
  end;
end;
$$;
