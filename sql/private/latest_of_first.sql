-- A moment by which pools that moved (ledger_private.pools_moved) have p_limit new rows together, so that nothing later is among the first
-- p_limit: infinity where there is none that is quickly known. Of each pool the first few rows are looked at, the fewer the more pools there are;
-- where enough pools have had theirs by some moment, that is it.
create or replace function ledger_private.latest_of_first(
  p_tenant_id text,
  p_pool_ids text[],
  p_after bigint[],
  p_heads bigint[],
  p_limit integer
)
returns timestamptz
language plpgsql
stable
as $$
declare
  v_few constant integer := greatest(2 * p_limit / cardinality(p_pool_ids), 1);
begin
  return coalesce((
    select f.at
    from unnest(p_pool_ids, p_after, p_heads) p (pool_id, after, head)
    cross join lateral (
      select max(j.recorded_at) as at from ledger_private.history j
      where j.tenant_id = p_tenant_id and j.pool_id = p.pool_id and j.seq > p.after and j.seq <= p.after + v_few
    ) f
    where p.head >= p.after + v_few
    order by f.at
    offset (p_limit - 1) / v_few limit 1
  ), 'infinity');
end;
$$;
