-- Takes the locks of operations, ascending, until the transaction ends.
create or replace function ledger_private.lock_all(p_tenant_id text, p_operations jsonb)
returns void
language plpgsql
as $$
declare
  v_key bigint;
begin
  foreach v_key in array ledger_private.lock_keys(p_tenant_id, p_operations) loop
    perform pg_advisory_xact_lock(v_key);
  end loop;
end;
$$;
