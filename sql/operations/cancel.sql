-- cancel: as settle; a leaf without spend is refunded if it was never dispatched, else charged as on expiry.
-- Errors: LG003, LG001 (spend of a driver), LG004, LG007.
create or replace function ledger_private.op_cancel(
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
  elsif v_node.driver and p_operation ? 'spend' then
    return ledger_private.failed('LG001', 'spend', 'is computed from the pool of a driver: leave it out');
  elsif v_node.driver then
    v_answer := ledger_private.settle_pool(v_node, 'cancelled', p_operation, p_at);
    v_answer.result := v_answer.result - 'returned';
    return v_answer;
  end if;
  return ledger_private.settle_leaf(v_node, 'cancelled', p_operation, p_at);
end;
$$;
