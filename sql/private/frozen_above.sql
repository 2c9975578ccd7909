-- Whether the pool or one above it is frozen. The tenant's count spares the walk while nothing is.
create or replace function ledger_private.frozen_above(p_pool ledger_private.pools)
returns boolean
language plpgsql
stable
as $$
declare
  v_pool_id text := p_pool.parent_pool_id;
  v_state text := p_pool.state;
begin
  if v_state <> 'frozen' and (select t.frozen_pools = 0 from ledger_private.tenants t where t.tenant_id = p_pool.tenant_id) then
    return false;
  end if;
  while v_state <> 'frozen' and v_pool_id is not null loop
    select p.state, p.parent_pool_id into v_state, v_pool_id
    from ledger_private.pools p where p.tenant_id = p_pool.tenant_id and p.pool_id = v_pool_id;
  end loop;
  return v_state = 'frozen';
end;
$$;
