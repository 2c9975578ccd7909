-- Deletes what is older than the replay window from one stretch of the kept operations: p_blocks blocks of the table from p_from. One step of
-- ledger.prune. p_tenant_id null = every tenant; p_older_than null = each tenant's own window (setting replay_days, else 30 days).
-- pruned: rows that went; next_block: where to go on, null at the end.
-- The table is walked in the order in which it lies, not by an index: an index on the time of an operation would cost every writer, and one of
-- block ranges (brin) says nothing any more once new rows fill the room of old ones.
-- For READ COMMITTED: a serializable transaction would have read what writers write. It waits for no writer, whose rows are younger than a day.
-- Locks: one of its own, so that two prunes take turns; no pool's.
-- Raises: LG009, LG012, LG001 (p_older_than, p_from, p_blocks); 55000 in another isolation.
create or replace function ledger.prune_some(
  p_tenant_id text,
  p_older_than interval default null,
  p_from bigint default 0,
  p_blocks bigint default 256
)
returns table (
  pruned bigint,
  next_block bigint
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
declare
  v_now constant timestamptz := clock_timestamp();
  v_end constant bigint := pg_relation_size('ledger_private.operations') / current_setting('block_size')::bigint;
  v_to constant bigint := least(p_from + p_blocks, v_end);
  v_path constant text := case
    when p_older_than < interval '1 day' then 'p_older_than'
    when p_from is null or p_from < 0 then 'p_from'
    when p_blocks is null or p_blocks < 1 then 'p_blocks'
  end;
begin
  if p_tenant_id is not null then
    perform ledger_private.assert_tenant(p_tenant_id);
  end if;
  if v_path is not null then
    perform ledger_private.raise_error('LG001', jsonb_build_object('path', v_path, 'rule', case v_path
      when 'p_older_than' then 'must be a day at least: a call whose answer was lost asks for it again'
      when 'p_from' then 'must be a whole number from 0'
      else 'must be a whole number from 1'
    end));
  end if;
  perform ledger_private.assert_read_committed('CALL ledger.prune(...)');
  perform pg_advisory_xact_lock(hashtextextended('agent-ledger/prune', 0));
  delete from ledger_private.operations o
  using ledger_private.tenants t
  where o.ctid >= format('(%s,0)', p_from)::tid and o.ctid < format('(%s,0)', v_to)::tid
    and t.tenant_id = o.tenant_id and t.tenant_id = coalesce(p_tenant_id, t.tenant_id)
    and o.at < v_now - coalesce(p_older_than, ledger_private.replay_window(t.settings));
  get diagnostics pruned = row_count;
  next_block := case when v_to < v_end then v_to end;
  return next;
end;
$$;
comment on function ledger.prune_some(text, interval, bigint, bigint) is
  'Deletes operations older than the replay window from one stretch of the table; one step of ledger.prune.';
revoke all on function ledger.prune_some(text, interval, bigint, bigint) from public;
grant execute on function ledger.prune_some(text, interval, bigint, bigint) to ledger_admin;
