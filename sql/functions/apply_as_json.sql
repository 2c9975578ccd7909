-- Applies an ordered batch of operations in the caller's serializable transaction: [{position, status, code, result}], position from 0. A refused
-- or failed operation changes no balance and stops no other; with p_atomic the first one raises LG008 and everything is rolled back.
-- Locks: the pools of ledger.pools_of, ascending, until the transaction ends; none where the caller says that it holds them (p_locked, as
-- ledger.submit does): locks that are missing cost others 40001 and 40P01, again and again, never a balance.
-- Raises: LG006, LG009, LG012, LG001 (not an array, more than 1000 operations), LG008; 40001 where the transaction
-- began before it held the locks and lost.
create or replace function ledger.apply_as_json(
  p_tenant_id text,
  p_operations jsonb,
  p_atomic boolean default false,
  p_locked boolean default false
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
  v_answer ledger_private.answer;
  v_folded jsonb;
  v_size constant integer := case when jsonb_typeof(p_operations) = 'array' then jsonb_array_length(p_operations) end;
begin
  if current_setting('transaction_isolation') <> 'serializable' or not ledger_private.is_bound(p_tenant_id) then
    perform ledger_private.assert_writable(p_tenant_id);
  end if;
  if p_locked is not true or v_size is null or v_size > 1000 then -- which it complains about
    perform ledger_private.lock_all(p_tenant_id, p_operations);
  end if;
  if v_size = 1 then
    v_answer := ledger_private.perform_alone(p_tenant_id, p_operations -> 0, clock_timestamp());
    v_answers := array[v_answer];
  else
    v_folded := ledger_private.fold_common(p_tenant_id, p_operations, clock_timestamp());
    if v_folded is not null then
      return v_folded;
    end if;
    v_answers := ledger_private.apply_batch(
      p_tenant_id, array(select e.operation from jsonb_array_elements(p_operations) with ordinality e (operation, n) order by e.n), clock_timestamp()
    );
  end if;
  if p_atomic then
    perform ledger_private.assert_all_ok(v_answers);
  end if;
  if v_answer.status in ('ok', 'replayed') then -- the one of a batch of one: worked out by itself, it takes half of what the query takes
    return jsonb_build_array(jsonb_build_object(
      'position', 0, 'status', v_answer.status, 'code', v_answer.code,
      'result', jsonb_build_object('pool_id', v_answer.pool_id, 'seq', v_answer.seq) || coalesce(v_answer.result, '{}')
    ));
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
comment on function ledger.apply_as_json(text, jsonb, boolean, boolean) is
  'ledger.apply with its answers as one JSON array, as ledger.submit gives them.';
revoke all on function ledger.apply_as_json(text, jsonb, boolean, boolean) from public;
grant execute on function ledger.apply_as_json(text, jsonb, boolean, boolean) to ledger_admin, ledger_writer;
