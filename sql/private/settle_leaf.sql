-- Ends a leaf as done, down or cancelled with what the operation says it spent; without a spend, with what an unreported leaf is charged.
-- Error: LG004 already ended (an expired leaf may be settled once more, late).
create or replace function ledger_private.settle_leaf(
  p_node ledger_private.nodes,
  p_status text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_node.tenant_id, p_node.parent_node_id);
  v_usage ledger_private.usage;
  v_event ledger_private.journal;
  v_booked ledger_private.journal;
  v_seq bigint;
begin
  if p_node.ended_at is not null and (p_node.status <> 'expired' or p_node.late) then
    return ledger_private.failed('LG004', 'node_id', format('node %s has already ended', p_node.node_id));
  end if;
  v_usage := case
    when p_operation ? 'spend' then ledger_private.usage_of(p_operation -> 'spend', v_pool.token_charge, p_node.budget)
    else ledger_private.unreported_usage(p_node)
  end;
  if p_node.status = 'expired' then
    v_event := ledger_private.with_ending(ledger_private.event(v_pool, 'corrected', p_operation, p_at), p_node, p_status, p_operation);
    v_booked := ledger_private.find_event(p_node.tenant_id, v_pool.pool_id, p_node.terminal_seq);
    v_seq := ledger_private.correct_event(v_pool, v_booked, v_usage, v_event);
    perform ledger_private.correct_lines(v_pool, v_booked, v_seq, p_operation);
    perform ledger_private.end_node(p_node, p_status, null, p_operation, p_at);
  else
    v_seq := ledger_private.end_leaf(v_pool, p_node, p_status, v_usage, p_operation, p_at);
  end if;
  return ledger_private.ok(v_pool.pool_id, v_seq, jsonb_build_object(
    'spend', ledger_private.spend_json(v_usage), 'violations', ledger_private.violations(v_usage, p_node.budget)
  ));
end;
$$;
