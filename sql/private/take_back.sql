-- Ends every leaf of a pool whose lease has passed and that was never dispatched: `expired`, its room goes back to free. Returns how many.
create or replace function ledger_private.take_back(
  p_pool ledger_private.pools,
  p_operation jsonb,
  p_at timestamptz
)
returns integer
language plpgsql
as $$
declare
  v_node ledger_private.nodes;
  v_count integer := 0;
begin
  for v_node in
    select * from ledger_private.lapsed_holds(p_pool, ledger_private.owner_lapsed(p_pool.tenant_id, p_pool.pool_id, p_at), p_at) n
    where not n.driver and n.status = 'pending'
  loop
    perform ledger_private.expire_leaf(p_pool, v_node, jsonb_build_object('operation_id', p_operation -> 'operation_id'), p_at);
    v_count := v_count + 1;
  end loop;
  perform ledger_private.refresh_lease(p_pool, p_at);
  return v_count;
end;
$$;
