-- Why a pool takes no children now, whatever they ask: null, or {code}. Keys are decided elsewhere (ledger_private.keyed), room by
-- ledger_private.refusal_of_budget.
create or replace function ledger_private.refusal_of_spawn(
  p_pool ledger_private.pools,
  p_owns_pool boolean,
  p_at timestamptz
)
returns jsonb
language plpgsql
stable
as $$
begin
  return case
    when p_pool.state = 'closed' then '{"code": "pool-closed"}'::jsonb
    when ledger_private.frozen_above(p_pool) then '{"code": "pool-frozen"}'
    when p_at >= p_pool.deadline_at then '{"code": "deadline-passed"}'
    when p_owns_pool and p_pool.depth_left <= 0 then '{"code": "depth-exceeded"}'
  end;
end;
$$;
