-- The pools of a tenant in which a hold with a lease of its own may have lapsed, the longest overdue first, a thousand at most (each is locked):
-- asked again, expire goes on. Pools below a lapsed driver are reached from its parent's.
create or replace function ledger_private.due_pools(p_tenant_id text, p_at timestamptz)
returns table (pool_id text)
language plpgsql
stable
as $$
begin
  return query
    select h.pool_id from ledger_private.pool_heads h
    where h.tenant_id = p_tenant_id and h.open_holds > 0 and h.next_lease_at <= p_at
    order by h.next_lease_at, h.pool_id
    limit 1000;
end;
$$;
