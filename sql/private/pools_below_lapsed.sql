-- The pools an expire of p_pool_id (null = the whole tenant) can write: those with a lapsed hold, and below lapsed drivers.
create or replace function ledger_private.pools_below_lapsed(
  p_tenant_id text,
  p_pool_id text,
  p_at timestamptz
)
returns table (pool_id text)
language plpgsql
stable
as $$
begin
  return query
    with recursive reached as (
      select d.pool_id from ledger_private.due_pools(p_tenant_id, p_at) d where p_pool_id is null
      union
      select p_pool_id where p_pool_id is not null
      union
      select n.node_id
      from reached r
      cross join lateral (
        select n.node_id from ledger_private.nodes n
        where n.tenant_id = p_tenant_id and n.parent_node_id = r.pool_id and n.driver
          and n.status in ('pending', 'dispatched') and coalesce(n.lease_at <= p_at, true)
        offset 0
      ) n
    )
    select r.pool_id from reached r;
end;
$$;
