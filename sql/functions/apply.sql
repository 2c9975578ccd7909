-- Applies an ordered batch of operations in the caller's serializable transaction: one answer per operation, position from 0. A refused or
-- failed operation changes no balance and stops no other; with p_atomic the first one raises LG008 and everything is rolled back.
-- Locks: the pools of ledger.pools_of, ascending, until the transaction ends.
-- Raises: LG006, LG009, LG012, LG001 (not an array, more than 1000 operations), LG008; 40001 where the transaction
-- began before it held the locks and lost.
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
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
  v_operations jsonb[];
  v_answers ledger_private.answer[];
  v_at timestamptz;
  v_key bigint;
begin
  perform ledger_private.assert_writable(p_tenant_id);
  foreach v_key in array ledger_private.lock_keys(p_tenant_id, p_operations) loop
    perform pg_advisory_xact_lock(v_key);
  end loop;
  v_operations := array(select e.operation from jsonb_array_elements(p_operations) with ordinality e (operation, n) order by e.n);
  v_at := clock_timestamp();
  v_answers := ledger_private.apply_batch(p_tenant_id, v_operations, v_at);
  if p_atomic then
    perform ledger_private.assert_all_ok(v_answers);
  end if;
  return query
    select
      (a.ordinality - 1)::integer, a.status, a.code,
      case a.status
        when 'error' then a.result
        else jsonb_build_object('pool_id', a.pool_id, 'seq', a.seq) || coalesce(a.result, '{}')
      end
    from unnest(v_answers) with ordinality a
    order by a.ordinality;
end;
$$;
comment on function ledger.apply(text, jsonb, boolean) is 'Applies an ordered batch of operations; one answer per operation.';
revoke all on function ledger.apply(text, jsonb, boolean) from public;
grant execute on function ledger.apply(text, jsonb, boolean) to ledger_admin, ledger_writer;
