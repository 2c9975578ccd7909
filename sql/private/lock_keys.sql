-- The advisory locks of operations, ascending: the one lock order of every writer.
create or replace function ledger_private.lock_keys(p_tenant_id text, p_operations jsonb)
returns bigint[]
language plpgsql
stable
as $$
begin
  return array(
    select distinct ledger_private.lock_key(p_tenant_id, l.pool_id)
    from unnest(ledger_private.pools_locked(p_tenant_id, p_operations)) l (pool_id)
    order by 1
  );
end;
$$;
