-- The guard of every write: LG006 outside SERIALIZABLE, then the tenant (LG009, LG012).
create or replace function ledger_private.assert_writable(p_tenant_id text)
returns void
language plpgsql
stable
as $$
begin
  if current_setting('transaction_isolation') <> 'serializable' then
    perform ledger_private.raise_error(
      'LG006', '{}', 'CALL ledger.submit(...), or BEGIN ISOLATION LEVEL SERIALIZABLE'
    );
  end if;
  perform ledger_private.assert_tenant(p_tenant_id);
end;
$$;
