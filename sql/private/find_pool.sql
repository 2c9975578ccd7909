-- The pool of that id in this tenant, or null.
create or replace function ledger_private.find_pool(p_tenant_id text, p_pool_id text)
returns ledger_private.pools
language plpgsql
stable
as $$
declare
  v_pool ledger_private.pools;
begin
  select * into v_pool from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = p_pool_id;
  return v_pool;
end;
$$;
