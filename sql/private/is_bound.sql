-- Whether the caller's login role is bound to that tenant, which then exists. To be asked before ledger_private.assert_tenant, which says what else
-- may be: an IF takes a fraction of what a statement does.
create or replace function ledger_private.is_bound(p_tenant_id text)
returns boolean
language plpgsql
stable
as $$
begin
  perform from ledger_private.role_bindings b where b.tenant_id = p_tenant_id and b.role_name = session_user and p_tenant_id <> '*';
  return found;
end;
$$;
