-- The advisory keys that a transaction over some pools holds, ascending: those of ledger.pools_of for closing them, which is the widest set (the
-- pools, their payers, and the pools above that book their end or late spend).
-- Raises: LG009, LG012, LG001 (null, or more than 1000 pools), LG002.
create or replace function ledger.locks_of(p_tenant_id text, p_pool_ids text[])
returns bigint[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
  v_unknown text;
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  if p_pool_ids is null or array_position(p_pool_ids, null) is not null or cardinality(p_pool_ids) > 1000 then
    perform ledger_private.raise_error('LG001', '{"path": "p_pool_ids", "rule": "must be a list of at most 1000 pools"}');
  end if;
  foreach v_unknown in array p_pool_ids loop
    continue when (ledger_private.find_pool(p_tenant_id, v_unknown)).pool_id is not null;
    perform ledger_private.raise_error(
      'LG002', jsonb_build_object('path', 'p_pool_ids', 'rule', format('there is no pool %s', v_unknown))
    );
  end loop;
  return ledger_private.lock_keys(p_tenant_id, (
    select coalesce(jsonb_agg(jsonb_build_object('op', 'close_pool', 'pool_id', i.pool_id)), '[]') from unnest(p_pool_ids) i (pool_id)
  ));
end;
$$;
comment on function ledger.locks_of(text, text[]) is 'The advisory keys that a transaction over these pools holds, in lock order.';
revoke all on function ledger.locks_of(text, text[]) from public;
grant execute on function ledger.locks_of(text, text[]) to ledger_admin, ledger_writer;
