-- spawn: a child of a pool with a hold for its ceilings; a driver gets a pool of its own, funded by exactly its reservation.
-- Errors: LG002, LG001 (budget), LG011. Refusals: all but not-free, in their order.
create or replace function ledger_private.op_spawn(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_node ledger_private.nodes;
  v_answer ledger_private.answer;
begin
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  end if;
  v_node := ledger_private.new_node(p_tenant_id, p_operation ->> 'node_id', v_pool.pool_id, p_operation);
  v_node.lease_at := p_at + (p_operation ->> 'lease_ms')::double precision * interval '1 millisecond';
  v_answer := ledger_private.reserve(v_pool, v_node, p_operation, 'budget.', p_at);
  if v_node.driver and v_answer.status = 'ok' and v_answer.seq is not null then
    perform ledger_private.open_child(
      ledger_private.new_pool(v_pool, v_answer.result ->> 'node_id', jsonb_strip_nulls(jsonb_build_object('tags', p_operation -> 'tags')), p_at),
      ledger_private.channels_of(v_node.budget),
      p_operation, p_at, v_answer.seq
    );
  end if;
  return v_answer;
end;
$$;
