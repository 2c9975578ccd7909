-- Roles belong to the cluster: made where missing, never dropped here.
do $$
declare
  v_role text;
begin
  foreach v_role in array array['ledger_owner', 'ledger_admin', 'ledger_writer', 'ledger_auditor', 'ledger_all_tenants']
  loop
    begin
      if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
        execute format('create role %I nologin', v_role);
      end if;
    exception when duplicate_object or unique_violation then
      null; -- another database of this cluster was migrated at the same moment
    end;
  end loop;
  if not exists (
    select from pg_catalog.pg_auth_members m
    where m.roleid = 'ledger_all_tenants'::regrole and m.member = 'ledger_owner'::regrole and m.admin_option
  ) then
    grant ledger_all_tenants to ledger_owner with admin option;
  end if;
end
$$;

comment on role ledger_owner is 'agent-ledger: owns every object; migrations run as it';
comment on role ledger_admin is 'agent-ledger: creates tenants, binds roles, writes for every tenant';
comment on role ledger_writer is 'agent-ledger: executes write functions and reads the views of its tenant';
comment on role ledger_all_tenants is 'agent-ledger: bound to all tenants; ledger.bind_role grants it';
comment on role ledger_auditor is 'agent-ledger: reads the views of its tenant';
