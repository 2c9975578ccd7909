-- The first half of a serializable transaction of the client's own whose locks come first, so that it loses no race against other calls:
--   call ledger.lock_pools(tenant, pools);       waits, and returns with session-level locks
--   begin isolation level serializable;
--   select ledger.take_over(tenant, pools);      the first statement: from here the transaction owns the locks
--   …                                            the client's own rows, ledger.apply on those pools
--   commit;
-- As ledger.submit does: it waits in READ COMMITTED with transaction-level locks, ascending, starts over where a pool was closed meanwhile, takes
-- the same keys session-level, and commits. An error while it waits frees everything. From its return to the end of take_over nothing does but
-- the end of the connection: a client that fails there, or is cancelled inside this call, closes its connection.
-- No security definer and no SET clause: a procedure that has one cannot COMMIT. It cannot run inside a transaction block. submit has these
-- statements too and does not call this: it would pay for another call, and know its keys twice.
-- Locks: the pools of ledger.locks_of, ascending.
-- Raises: as ledger.locks_of.
create or replace procedure ledger.lock_pools(p_tenant_id text, p_pool_ids text[])
language plpgsql
as $$
declare
  v_keys bigint[];
  v_key bigint;
begin
  loop
    commit; -- inside a transaction block this fails, before anything is locked
    set transaction isolation level read committed;
    v_keys := ledger.locks_of(p_tenant_id, p_pool_ids);
    foreach v_key in array v_keys loop
      perform pg_catalog.pg_advisory_xact_lock(v_key);
    end loop;
    exit when v_keys operator(pg_catalog.@>) ledger.locks_of(p_tenant_id, p_pool_ids);
  end loop;
  foreach v_key in array v_keys loop
    perform pg_catalog.pg_advisory_lock(v_key);
  end loop;
  commit;
end;
$$;
comment on procedure ledger.lock_pools(text, text[]) is
  'Takes the locks of a serializable transaction over these pools before it begins; ledger.take_over hands them to it.';
revoke all on procedure ledger.lock_pools(text, text[]) from public;
grant execute on procedure ledger.lock_pools(text, text[]) to ledger_admin, ledger_writer;
