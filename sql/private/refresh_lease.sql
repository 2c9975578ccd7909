-- Tells the head of a pool the earliest lease that is left, where the one it knows has passed and lapsed holds were looked for.
create or replace function ledger_private.refresh_lease(p_pool ledger_private.pools, p_at timestamptz)
returns void
language plpgsql
as $$
begin
  if (
    select h.next_lease_at <= p_at from ledger_private.pool_heads h
    where h.tenant_id = p_pool.tenant_id and h.pool_id = p_pool.pool_id
  ) then
    update ledger_private.pool_heads h
    set next_lease_at = (
      select min(n.lease_at) from ledger_private.nodes n
      where n.tenant_id = p_pool.tenant_id and n.parent_node_id = p_pool.pool_id and n.ended_at is null
    )
    where h.tenant_id = p_pool.tenant_id and h.pool_id = p_pool.pool_id;
  end if;
end;
$$;
