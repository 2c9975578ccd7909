-- 55000 outside READ COMMITTED: what serializable keepers of the ledger read would make writers lose. p_hint: what sees to it.
create or replace function ledger_private.assert_read_committed(p_hint text)
returns void
language plpgsql
stable
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'runs in read committed only',
      hint = p_hint;
  end if;
end;
$$;
