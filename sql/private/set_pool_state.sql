-- Writes the state of a pool, and the tenant's count of frozen pools with it.
create or replace function ledger_private.set_pool_state(p_pool ledger_private.pools, p_state text)
returns void
language plpgsql
as $$
declare
  v_change constant integer := (p_state = 'frozen')::integer - (p_pool.state = 'frozen')::integer;
begin
  update ledger_private.pools p set state = p_state where p.tenant_id = p_pool.tenant_id and p.pool_id = p_pool.pool_id;
  if v_change <> 0 then
    update ledger_private.tenants t set frozen_pools = t.frozen_pools + v_change where t.tenant_id = p_pool.tenant_id;
  end if;
end;
$$;
