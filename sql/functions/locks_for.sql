-- The advisory keys that operations lock (ledger.pools_of), ascending: what ledger.submit takes before its transaction begins.
-- Raises: LG009, LG012, LG001 (not an array).
create or replace function ledger.locks_for(p_tenant_id text, p_operations jsonb)
returns bigint[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
begin
  if not ledger_private.is_bound(p_tenant_id) then
    perform ledger_private.assert_tenant(p_tenant_id);
  end if;
  return ledger_private.lock_keys(p_tenant_id, p_operations);
end;
$$;
comment on function ledger.locks_for(text, jsonb) is 'The advisory keys a batch of operations locks, in lock order.';
revoke all on function ledger.locks_for(text, jsonb) from public;
grant execute on function ledger.locks_for(text, jsonb) to ledger_admin, ledger_writer;
