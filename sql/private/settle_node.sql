-- Ends the node an operation names as p_status (done, down, cancelled): a leaf with the spend it states, a node that owns a pool with what its
-- pool booked. Errors: LG003, LG001 (the spend of a leaf is required to settle it, of a driver not allowed, nor are tools: they belong to calls,
-- which a driver meters), LG004, LG007.
create or replace function ledger_private.settle_node(
  p_tenant_id text,
  p_operation jsonb,
  p_status text,
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
  elsif v_node.driver and p_operation ? 'spend' then
    return ledger_private.failed('LG001', 'spend', 'is computed from the pool of a driver: leave it out');
  elsif v_node.driver and p_operation ?| array['tool_calls', 'tool_results'] then
    return ledger_private.failed(
      'LG001', case when p_operation ? 'tool_calls' then 'tool_calls' else 'tool_results' end,
      'belongs to a call of the driver: meter it in its pool'
    );
  elsif not v_node.driver and p_status <> 'cancelled' and not p_operation ? 'spend' then
    return ledger_private.failed('LG001', 'spend', 'is required: what the leaf consumed');
  elsif v_node.driver then
    v_answer := ledger_private.settle_pool(v_node, p_status, p_operation, p_at);
    v_answer.result := v_answer.result - 'returned';
    return v_answer;
  end if;
  return ledger_private.settle_leaf(v_node, p_status, p_operation, p_at);
end;
$$;
