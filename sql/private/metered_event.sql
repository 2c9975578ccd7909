-- The journal row of a metered turn: spend of the node that owns the pool.
create or replace function ledger_private.metered_event(
  p_pool ledger_private.pools,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.journal
language plpgsql
stable
as $$
declare
  v ledger_private.journal := ledger_private.event(p_pool, 'metered', p_operation, p_at);
begin
  v.node_id := p_pool.pool_id;
  v.turn := (p_operation -> 'turn')::integer;
  return v;
end;
$$;
