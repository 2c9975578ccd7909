-- Binds a login role to the one tenant it acts for ('*' = all); null takes the binding away. What it may do there comes from its membership in
-- ledger_writer or ledger_auditor. For all tenants the role also becomes a member of ledger_all_tenants, whose policy asks for the binding too:
-- roles belong to the cluster, bindings to this database, so the membership stays and opens nothing by itself.
-- Raises: LG001 (no such role), LG012.
create or replace function ledger.bind_role(
  p_role text,
  p_tenant_id text
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from pg_catalog.pg_roles r where r.rolname = p_role) then
    perform ledger_private.raise_error(
      'LG001', jsonb_build_object('path', 'p_role', 'rule', format('there is no role %s', coalesce(p_role, 'null')))
    );
  end if;
  if p_tenant_id <> '*' and not exists (select from ledger_private.tenants t where t.tenant_id = p_tenant_id) then
    perform ledger_private.raise_error('LG012', jsonb_build_object('tenant_id', p_tenant_id), 'ledger.create_tenant makes it');
  end if;
  if p_tenant_id = '*' then
    execute format('grant ledger_all_tenants to %I', p_role);
  end if;
  delete from ledger_private.role_bindings b where b.role_name = p_role;
  if p_tenant_id is not null then
    insert into ledger_private.role_bindings (tenant_id, role_name) values (p_tenant_id, p_role);
  end if;
end;
$$;
comment on function ledger.bind_role(text, text) is 'Binds a login role to one tenant, or to all (*).';
revoke all on function ledger.bind_role(text, text) from public;
grant execute on function ledger.bind_role(text, text) to ledger_admin;
