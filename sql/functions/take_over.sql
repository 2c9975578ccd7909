-- The second half of ledger.lock_pools (see there): hands the session's locks on these pools to the caller's transaction, as its first statement.
-- Taking them never waits, because the session holds them, and the snapshot is born under them. From here every end of the transaction frees them.
-- Locks: the pools of ledger.locks_of, ascending, until the transaction ends.
-- Raises: LG006, as ledger.locks_of, and 55000 where this session did not lock just these pools before.
create or replace function ledger.take_over(p_tenant_id text, p_pool_ids text[])
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_keys bigint[];
  v_key bigint;
  v_held boolean := true;
begin
  perform ledger_private.assert_writable(p_tenant_id);
  v_keys := ledger.locks_of(p_tenant_id, p_pool_ids);
  foreach v_key in array v_keys loop
    perform pg_advisory_xact_lock(v_key);
  end loop;
  foreach v_key in array v_keys loop
    v_held := pg_advisory_unlock(v_key) and v_held;
  end loop;
  if not v_held then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'these pools were not locked by this session',
      hint = 'CALL ledger.lock_pools with the same pools on this connection first; after an error in between, close it';
  end if;
end;
$$;
comment on function ledger.take_over(text, text[]) is 'Hands the locks of ledger.lock_pools to the caller''s transaction.';
revoke all on function ledger.take_over(text, text[]) from public;
grant execute on function ledger.take_over(text, text[]) to ledger_admin, ledger_writer;
