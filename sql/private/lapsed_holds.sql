-- The open holds of a pool whose lease has passed, in order of id: their own, or without one that of the driver that owns the pool
-- (p_owner_lapsed). The head says whether any hold can be due, so nodes are searched only then.
create or replace function ledger_private.lapsed_holds(
  p_pool ledger_private.pools,
  p_owner_lapsed boolean,
  p_at timestamptz
)
returns setof ledger_private.nodes
language plpgsql
stable
as $$
begin
  if exists (
    select from ledger_private.pool_heads h
    where h.tenant_id = p_pool.tenant_id and h.pool_id = p_pool.pool_id
      and h.open_holds > 0 and (p_owner_lapsed or h.next_lease_at <= p_at)
  ) then
    return query
      select n.* from ledger_private.nodes n
      where n.tenant_id = p_pool.tenant_id and n.parent_node_id = p_pool.pool_id
        and n.ended_at is null and coalesce(n.lease_at <= p_at, p_owner_lapsed)
      order by n.node_id collate "C";
  end if;
end;
$$;
