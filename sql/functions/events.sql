-- What has happened since a cursor: up to p_limit places in the journal. p_after maps pool id -> last seq seen, a pool not named = 0; with p_run_id
-- or p_pool_id only pools of that run, or that pool. Callers join ledger.journal on (tenant_id, pool_id, seq), order by place (from 0), and
-- move their cursor to the last seq they took of each pool.
-- Nothing is ever left out: seq is dense and given under the pool's lock, so what is visible of a pool has no gaps, and an answer holds a prefix
-- of what is new in each pool. Pools are merged by time: the latest recorded_at so far in the pool, so that a clock set back does not reorder
-- one; then pool_id, seq.
-- Only pools whose head has moved are looked into, and of those with more to tell than p_limit only as much is read as can be among the first.
-- For READ COMMITTED: a serializable transaction that asked would have read the heads of all pools, which others write.
-- Raises: LG009, LG012, LG001 (p_after, p_limit).
create or replace function ledger.events(
  p_tenant_id text,
  p_after jsonb default '{}',
  p_limit integer default 1000,
  p_run_id text default null,
  p_pool_id text default null
)
returns table (
  pool_id text,
  seq bigint,
  place integer
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
declare
  v_misfit jsonb;
  v_within text[];
  v_pools text[];
  v_after bigint[];
  v_heads bigint[];
  v_until timestamptz;
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  v_misfit := ledger_private.misfit_of_cursor(p_after, p_limit);
  if v_misfit is not null then
    perform ledger_private.raise_error('LG001', v_misfit);
  end if;
  if p_run_id is not null then
    v_within := ledger_private.pools_of_run(p_tenant_id, p_run_id);
  end if;
  if p_pool_id is not null then
    v_within := case when v_within is null or p_pool_id = any (v_within) then array[p_pool_id] else '{}' end;
  end if;
  select array_agg(m.pool_id), array_agg(m.after), array_agg(m.head) into v_pools, v_after, v_heads
  from ledger_private.pools_moved(p_tenant_id, p_after, v_within) m;
  if v_pools is null then
    return;
  end if;

  v_until := ledger_private.latest_of_first(p_tenant_id, v_pools, v_after, v_heads, p_limit);
  return query
    select r.pool_id, r.seq, (row_number() over (order by r.at, r.pool_id collate "C", r.seq))::integer - 1
    from (
      select p.pool_id, j.seq, max(j.recorded_at) over (partition by p.pool_id order by j.seq) as at
      from unnest(v_pools, v_after, v_heads) p (pool_id, after, head)
      cross join lateral (
        select least(p.head, p.after + p_limit, (
          select k.seq - 1 from ledger_private.history k
          where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id and k.seq > p.after and k.seq <= p.after + p_limit
            and k.recorded_at > v_until
          order by k.seq limit 1
        )) as last
      ) e
      cross join lateral (
        select k.seq, k.recorded_at from ledger_private.history k
        where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id and k.seq > p.after and k.seq <= e.last
        offset 0
      ) j
    ) r
    order by 3
    limit p_limit;
end;
$$;
comment on function ledger.events(text, jsonb, integer, text, text) is
  'What has happened since a cursor: places in the journal, gap-free per pool, pools merged by time.';
revoke all on function ledger.events(text, jsonb, integer, text, text) from public;
grant execute on function ledger.events(text, jsonb, integer, text, text) to ledger_admin, ledger_writer, ledger_auditor;
