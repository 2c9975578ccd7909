-- settle: a leaf ends with the spend it states, the rest of its hold is refunded; above the hold the truth is booked all the same and named in
-- violations. A driver's spend is computed from its pool. An expired leaf's truth is booked as `corrected`, once.
-- Errors: LG003, LG001 (spend of a leaf is required, of a driver not allowed), LG004, LG007.
create or replace function ledger_private.op_settle(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes := ledger_private.find_node(p_tenant_id, p_operation ->> 'node_id');
  v_answer ledger_private.answer;
begin
  if v_node.node_id is null then
    return ledger_private.failed('LG003', 'node_id', format('there is no node %s', p_operation ->> 'node_id'));
  elsif v_node.driver <> not p_operation ? 'spend' then
    return ledger_private.failed('LG001', 'spend', case
      when v_node.driver then 'is computed from the pool of a driver: leave it out' else 'is required: what the leaf consumed'
    end);
  elsif v_node.driver then
    v_answer := ledger_private.settle_pool(v_node, p_operation ->> 'outcome', p_operation, p_at);
    v_answer.result := v_answer.result - 'returned';
    return v_answer;
  end if;
  return ledger_private.settle_leaf(v_node, p_operation ->> 'outcome', p_operation, p_at);
end;
$$;
