-- Moves some events of a closed run to the archive, 10000 at most: one step of ledger.archive_run, which says what the parameters are. Pools are
-- taken in the order of their locks, from the one behind p_after. moved: rows that went; next_after: where to go on, as long as there is more.
-- For READ COMMITTED: a serializable transaction would have read what late spend writes.
-- Locks: the pools it moves from, ascending, until the transaction ends; those above are not concerned.
-- Raises: LG009, LG012, LG003 (no such run), LG001; 55000 in another isolation.
create or replace function ledger.archive_some(
  p_tenant_id text,
  p_run_id text,
  p_heads jsonb,
  p_export_digest text,
  p_after bigint default null
)
returns table (
  moved bigint,
  next_after bigint,
  more boolean
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_most constant bigint := 10000;
  v_pools text[];
  v_misfit jsonb;
  v_pool record;
  v_first bigint;
  v_last bigint;
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  perform ledger_private.assert_read_committed('CALL ledger.archive_run(...)');
  v_pools := ledger_private.pools_of_run(p_tenant_id, p_run_id);
  if cardinality(v_pools) = 0 then
    perform ledger_private.raise_error('LG003', jsonb_build_object('path', 'p_run_id', 'rule', 'is no run'));
  end if;
  v_misfit := ledger_private.misfit_of_archiving(p_tenant_id, v_pools, p_heads, p_export_digest);
  if v_misfit is not null then
    perform ledger_private.raise_error('LG001', v_misfit);
  end if;
  moved := 0;
  more := true;
  next_after := p_after;
  for v_pool in
    select i.pool_id, ledger_private.lock_key(p_tenant_id, i.pool_id) as lock_key
    from unnest(v_pools) i (pool_id)
    where p_after is null or ledger_private.lock_key(p_tenant_id, i.pool_id) > p_after
    order by 2
  loop
    perform pg_advisory_xact_lock(v_pool.lock_key);
    v_first := 1 + (
      select coalesce(max(a.last_seq), 0) from ledger_private.archives a where a.tenant_id = p_tenant_id and a.pool_id = v_pool.pool_id
    );
    v_last := least((p_heads ->> v_pool.pool_id)::bigint, v_first + v_most - moved - 1);
    if v_last >= v_first then
      perform ledger_private.move_events(ledger_private.find_pool(p_tenant_id, v_pool.pool_id), v_first, v_last, p_run_id, p_export_digest);
      moved := moved + v_last - v_first + 1;
    end if;
    if moved >= v_most then
      return next;
      return;
    end if;
    next_after := v_pool.lock_key;
  end loop;
  more := false;
  return next;
end;
$$;
comment on function ledger.archive_some(text, text, jsonb, text, bigint) is
  'Moves some events of a closed run to the archive; one step of ledger.archive_run.';
revoke all on function ledger.archive_some(text, text, jsonb, text, bigint) from public;
grant execute on function ledger.archive_some(text, text, jsonb, text, bigint) to ledger_admin;
