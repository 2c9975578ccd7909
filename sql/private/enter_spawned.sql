-- The `spawned` row of a node that is made and whose hold is taken.
create or replace function ledger_private.enter_spawned(
  p_pool ledger_private.pools,
  p_node ledger_private.nodes,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_event ledger_private.journal := ledger_private.event(p_pool, 'spawned', p_operation, p_at);
  v_move ledger_private.move;
begin
  v_event.node_id := p_node.node_id;
  foreach v_move in array ledger_private.holding(p_node.hold) loop
    v_event := ledger_private.with_move(v_event, v_move, 0, 0);
  end loop;
  return ledger_private.ok(
    p_pool.pool_id, ledger_private.enter(v_event, 1, 1, 0, p_node.lease_at), jsonb_build_object('node_id', p_node.node_id)
  );
end;
$$;
