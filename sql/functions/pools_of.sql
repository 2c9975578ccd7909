-- The pools that operations lock, ascending by lock key: the pools named, those of the nodes named, their payers, and the pools above that book
-- a settlement, close, correction or late spend too. None of these links ever changes; what can (a pool closed meanwhile) is looked at again
-- under the locks.
-- Raises: LG009, LG012, LG001 (not an array).
create or replace function ledger.pools_of(
  p_tenant_id text,
  p_operations jsonb
)
returns table (
  pool_id text,
  lock_key bigint
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  return query
    select l.pool_id, ledger_private.lock_key(p_tenant_id, l.pool_id)
    from unnest(ledger_private.pools_locked(p_tenant_id, p_operations)) l (pool_id)
    order by 2, 1;
end;
$$;
comment on function ledger.pools_of(text, jsonb) is 'The pools a batch of operations locks, in lock order, with their advisory keys.';
revoke all on function ledger.pools_of(text, jsonb) from public;
grant execute on function ledger.pools_of(text, jsonb) to ledger_admin, ledger_writer;
