-- A client's own count of what it had to ask again since it last said so (conflicts, lost connections), added to the hour and the login role. What
-- is older than 30 days goes in the same call. It is about calls, not about money: no operation, no journal row, any isolation.
-- Raises: LG009, LG012, LG001 (p_retries).
create or replace function ledger.note_retries(
  p_tenant_id text,
  p_retries integer
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_hour constant timestamptz := date_trunc('hour', clock_timestamp(), 'UTC');
  v_role constant text := session_user;
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  if p_retries is null or p_retries < 1 then
    perform ledger_private.raise_error('LG001', '{"path": "p_retries", "rule": "must be a whole number from 1"}');
  end if;
  insert into ledger_private.retries (tenant_id, hour, role_name, retries) values (p_tenant_id, v_hour, v_role, p_retries)
  on conflict on constraint retries_pkey do update set retries = ledger_private.retries.retries + excluded.retries;
  delete from ledger_private.retries r where r.tenant_id = p_tenant_id and r.hour < v_hour - interval '30 days';
end;
$$;
comment on function ledger.note_retries(text, integer) is 'Adds to the count of calls that a client of the tenant had to repeat.';
revoke all on function ledger.note_retries(text, integer) from public;
grant execute on function ledger.note_retries(text, integer) to ledger_admin, ledger_writer;
