-- Applies an ordered batch of operations in the caller's serializable transaction: one answer per operation, position from 0
-- (ledger.apply_as_json, as rows).
create or replace function ledger.apply(
  p_tenant_id text,
  p_operations jsonb,
  p_atomic boolean default false
)
returns table (
  "position" integer,
  status text,
  code text,
  result jsonb
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select a.position, a.status, a.code, a.result
    from jsonb_to_recordset(ledger.apply_as_json(p_tenant_id, p_operations, p_atomic))
      a ("position" integer, status text, code text, result jsonb)
    order by a.position;
end;
$$;
comment on function ledger.apply(text, jsonb, boolean) is 'Applies an ordered batch of operations; one answer per operation.';
revoke all on function ledger.apply(text, jsonb, boolean) from public;
grant execute on function ledger.apply(text, jsonb, boolean) to ledger_admin, ledger_writer;
