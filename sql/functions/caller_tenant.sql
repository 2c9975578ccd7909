-- The tenant the caller's login role acts for: its binding, '*' for all tenants (superusers, members of ledger_owner and ledger_admin), null for
-- none. By session_user, which a caller cannot change. Row level security and every function's guard ask here.
create or replace function ledger.caller_tenant()
returns text
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if pg_has_role(session_user, 'ledger_admin', 'usage') or pg_has_role(session_user, 'ledger_owner', 'usage') then
    return '*';
  end if;
  return (select b.tenant_id from ledger_private.role_bindings b where b.role_name = session_user);
end;
$$;
comment on function ledger.caller_tenant() is 'The tenant this login role acts for; * = all, null = none.';
revoke all on function ledger.caller_tenant() from public;
grant execute on function ledger.caller_tenant() to ledger_admin, ledger_writer, ledger_auditor;
