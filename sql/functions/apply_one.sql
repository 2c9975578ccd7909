-- Applies one operation in the caller's serializable transaction. Returns {status, code, result}, also for a refusal; raises an error as its
-- SQLSTATE, with path and rule in DETAIL.
-- Locks: as ledger.apply.
-- Raises: LG006, LG009, LG012, then the errors of the operation.
create or replace function ledger.apply_one(
  p_tenant_id text,
  p_operation jsonb
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_answer record;
begin
  select * into strict v_answer from ledger.apply(p_tenant_id, jsonb_build_array(p_operation));
  if v_answer.status = 'error' then
    perform ledger_private.raise_error(v_answer.code, v_answer.result);
  end if;
  return jsonb_build_object('status', v_answer.status, 'code', v_answer.code, 'result', v_answer.result);
end;
$$;
comment on function ledger.apply_one(text, jsonb) is 'Applies one operation; raises an error, returns a refusal.';
revoke all on function ledger.apply_one(text, jsonb) from public;
grant execute on function ledger.apply_one(text, jsonb) to ledger_admin, ledger_writer;
