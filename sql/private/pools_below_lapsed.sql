-- The pools an expire of p_pool_id (null = the whole tenant) can write, and whether the lease of their owner has passed: the one asked (or those
-- where a hold is due), and below lapsed drivers; those in which something has lapsed, the deepest thousand of them (each is locked): asked again,
-- expire goes on above them.
create or replace function ledger_private.pools_below_lapsed(
  p_tenant_id text,
  p_pool_id text,
  p_at timestamptz
)
returns table (
  pool_id text,
  owner_lapsed boolean
)
language plpgsql
stable
as $$
begin
  return query
    with recursive reached as (
      select s.pool_id, ledger_private.owner_lapsed(p_tenant_id, s.pool_id, p_at) as owner_lapsed
      from (
        select d.pool_id from ledger_private.due_pools(p_tenant_id, p_at) d where p_pool_id is null
        union all
        select p_pool_id where p_pool_id is not null
      ) s
      union
      select n.node_id, true
      from reached r
      cross join lateral (
        select n.node_id from ledger_private.nodes n
        where n.tenant_id = p_tenant_id and n.parent_node_id = r.pool_id and n.driver
          and n.ended_at is null and coalesce(n.lease_at <= p_at, r.owner_lapsed)
        offset 0
      ) n
    )
    select r.pool_id, r.owner_lapsed
    from reached r
    cross join lateral (
      select p.depth from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = r.pool_id limit 1
    ) p
    cross join lateral (
      select from ledger_private.nodes n
      where n.tenant_id = p_tenant_id and n.parent_node_id = r.pool_id and n.ended_at is null and coalesce(n.lease_at <= p_at, r.owner_lapsed)
      limit 1
    ) lapsed
    order by p.depth desc, r.pool_id collate "C"
    limit 1000;
end;
$$;
