-- LG009 where the caller's login role is not bound to the tenant, then LG012 where the tenant does not exist: in this order, so that a stranger
-- cannot find out which tenants there are.
create or replace function ledger_private.assert_tenant(p_tenant_id text)
returns void
language plpgsql
stable
as $$
declare
  v_mine text;
begin
  if ledger_private.is_bound(p_tenant_id) then
    return;
  end if;
  v_mine := ledger.caller_tenant();
  if v_mine is null or (v_mine <> '*' and v_mine is distinct from p_tenant_id) then
    perform ledger_private.raise_error('LG009', jsonb_build_object('role', session_user), 'an administrator binds roles with ledger.bind_role');
  elsif not exists (select from ledger_private.tenants t where t.tenant_id = p_tenant_id) then
    perform ledger_private.raise_error('LG012', jsonb_build_object('tenant_id', p_tenant_id), 'ledger.create_tenant makes it');
  end if;
end;
$$;
