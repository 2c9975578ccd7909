-- Applies an ordered batch of operations in the caller's serializable transaction: [{position, status, code, result}], position from 0. A refused
-- or failed operation changes no balance and stops no other; with p_atomic the first one raises LG008 and everything is rolled back.
-- Locks: the pools of ledger.pools_of, ascending, until the transaction ends.
-- Raises: LG006, LG009, LG012, LG001 (not an array, more than 1000 operations), LG008; 40001 where the transaction
-- began before it held the locks and lost.
create or replace function ledger.apply_as_json(
  p_tenant_id text,
  p_operations jsonb,
  p_atomic boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
  v_answers ledger_private.answer[];
begin
  perform ledger_private.assert_writable(p_tenant_id);
  perform ledger_private.lock_all(p_tenant_id, p_operations);
  v_answers := ledger_private.apply_batch(
    p_tenant_id, array(select e.operation from jsonb_array_elements(p_operations) with ordinality e (operation, n) order by e.n), clock_timestamp()
  );
  if p_atomic then
    perform ledger_private.assert_all_ok(v_answers);
  end if;
  return (
    select coalesce(
      jsonb_agg(
        jsonb_build_object('position', a.ordinality - 1, 'status', a.status, 'code', a.code, 'result', case a.status
          when 'error' then a.result
          else jsonb_build_object('pool_id', a.pool_id, 'seq', a.seq) || coalesce(a.result, '{}')
        end)
        order by a.ordinality
      ),
      '[]'
    )
    from unnest(v_answers) with ordinality a
  );
end;
$$;
comment on function ledger.apply_as_json(text, jsonb, boolean) is 'ledger.apply with its answers as one JSON array, as ledger.submit gives them.';
revoke all on function ledger.apply_as_json(text, jsonb, boolean) from public;
grant execute on function ledger.apply_as_json(text, jsonb, boolean) to ledger_admin, ledger_writer;
