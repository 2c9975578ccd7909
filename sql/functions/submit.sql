-- Applies a batch in a transaction of its own, in one round trip: p_results = [{position, status, code, result}]. What clients use.
-- SERIALIZABLE fails rather than waits when its snapshot is older than the lock, so the locks come first: transaction-level (this is where it
-- waits, and any error frees them), then the same keys session-level (never waits), commit, a new serializable transaction, transaction-level
-- again (never waits; the snapshot is born under the lock), and the session's are given back. From there every error frees everything. A cancel
-- (57014) inside those statements can leave session locks: the client discards that connection.
-- It waits in READ COMMITTED: what a serializable transaction has read while it waits would count against those it waits for. Where a pool was
-- closed while it waited, more pools above it book: nothing is written yet, so all locks are given back and it starts over.
-- No security definer and no SET clause: a procedure that has one cannot COMMIT. It cannot run inside a transaction block.
-- Locks: the pools of ledger.pools_of, ascending.
-- Raises: as ledger.apply.
create or replace procedure ledger.submit(
  p_tenant_id text,
  p_operations jsonb,
  p_atomic boolean,
  inout p_results jsonb
)
language plpgsql
as $$
declare
  v_keys bigint[];
  v_key bigint;
  v_waited boolean;
  v_ours boolean;
begin
  loop
    commit; -- inside a transaction block this fails, before anything is locked
    set transaction isolation level read committed;
    v_keys := ledger.locks_for(p_tenant_id, p_operations);
    v_waited := false;
    foreach v_key in array v_keys loop
      if not pg_catalog.pg_try_advisory_xact_lock(v_key) then
        v_waited := true;
        perform pg_catalog.pg_advisory_xact_lock(v_key);
      end if;
    end loop;
    exit when not v_waited or v_keys operator(pg_catalog.@>) ledger.locks_for(p_tenant_id, p_operations);
  end loop;
  foreach v_key in array v_keys loop
    v_ours := pg_catalog.pg_try_advisory_lock(v_key);
  end loop;
  commit;
  set transaction isolation level serializable;
  foreach v_key in array v_keys loop
    v_ours := pg_catalog.pg_try_advisory_xact_lock(v_key);
  end loop;
  foreach v_key in array v_keys loop
    v_ours := pg_catalog.pg_advisory_unlock(v_key);
  end loop;
  p_results := ledger.apply_as_json(p_tenant_id, p_operations, coalesce(p_atomic, false), true);
end;
$$;
comment on procedure ledger.submit(text, jsonb, boolean, jsonb) is
  'Applies a batch in its own serializable transaction, locks first, one round trip.';
revoke all on procedure ledger.submit(text, jsonb, boolean, jsonb) from public;
grant execute on procedure ledger.submit(text, jsonb, boolean, jsonb) to ledger_admin, ledger_writer;
