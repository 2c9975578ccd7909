-- Makes a tenant; making it again is ok and changes nothing. Settings: replay_days, how long its operations are kept (ledger.prune), default 30;
-- others are the caller's own.
-- Raises: LG001 (id or settings malformed).
create or replace function ledger.create_tenant(
  p_tenant_id text,
  p_settings jsonb default '{}'
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_tenant_id is null or p_tenant_id = '*' or not ledger_private.fits('id', to_jsonb(p_tenant_id)) then
    perform ledger_private.raise_error('LG001', jsonb_build_object('path', 'p_tenant_id', 'rule', ledger_private.rule_text('id') || ', not *'));
  elsif jsonb_typeof(p_settings) is distinct from 'object' then
    perform ledger_private.raise_error('LG001', '{"path": "p_settings", "rule": "must be an object"}');
  elsif p_settings ? 'replay_days'
    and not (jsonb_typeof(p_settings -> 'replay_days') = 'number' and p_settings ->> 'replay_days' ~ '^[1-9][0-9]{0,4}$') then
    perform ledger_private.raise_error('LG001', '{"path": "p_settings.replay_days", "rule": "must be a whole number from 1 to 99999"}');
  end if;
  insert into ledger_private.tenants (tenant_id, settings) values (p_tenant_id, p_settings) on conflict do nothing;
end;
$$;
comment on function ledger.create_tenant(text, jsonb) is 'Makes a tenant; idempotent.';
revoke all on function ledger.create_tenant(text, jsonb) from public;
grant execute on function ledger.create_tenant(text, jsonb) to ledger_admin;
