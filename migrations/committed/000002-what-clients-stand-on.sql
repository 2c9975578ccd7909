--! Previous: sha1:4d415ac69a8cbe243d8bb467d4247a169330bcaa
--! Hash: sha1:935300b1f6463e10718ad85ac352cce017588e5c
--! Message: what clients stand on

-- What clients stand on: events since a cursor, hints that there are some, locks before a transaction of their own; corrections by line, usage
-- per day, and which columns of the views may be null. The audit stays
-- linear in a database without statistics.

set local role ledger_owner;

-- A correction's lines hold differences: as in the journal, what cannot be negative may be there.
alter table ledger_private.usage_lines add column if not exists correction boolean not null default false;
alter table ledger_private.usage_lines
  drop constraint if exists usage_lines_amounts_finite,
  drop constraint if exists usage_lines_not_negative,
  drop constraint if exists usage_lines_uncertain_within_usd,
  drop constraint if exists usage_lines_cache_within_input,
  drop constraint if exists usage_lines_reasoning_within_output;
alter table ledger_private.usage_lines
  add constraint usage_lines_amounts_finite check (
    greatest(
      iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, charged_tokens, usd, ms, uncertain_usd
    ) < 'Infinity'
  ),
  add constraint usage_lines_not_negative check (
    correction
    or least(
      iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, charged_tokens, usd, ms, uncertain_usd
    ) >= 0
  ),
  add constraint usage_lines_uncertain_within_usd check (correction or uncertain_usd <= coalesce(usd, 0)),
  add constraint usage_lines_cache_within_input check (correction or cache_read_tokens + cache_write_tokens <= input_tokens),
  add constraint usage_lines_reasoning_within_output check (correction or reasoning_tokens <= output_tokens);
comment on column ledger_private.usage_lines.correction is 'A line of a correction: what it adds to the lines before, which may be negative.';

-- Reading on, and hints
--! Included rules/misfit_of_cursor.sql
-- What is wrong with the cursor or the limit of ledger.events: {path, rule} or null.
create or replace function ledger_private.misfit_of_cursor(p_after jsonb, p_limit integer)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_pool_id text;
begin
  if jsonb_typeof(p_after) is distinct from 'object' then
    return jsonb_build_object('path', 'p_after', 'rule', 'must be an object: the last seq seen of each pool');
  end if;
  select e.key into v_pool_id
  from jsonb_each(p_after) e
  where not case
    when jsonb_typeof(e.value) = 'number' then e.value::numeric between 0 and 9007199254740991 and trunc(e.value::numeric) = e.value::numeric
    else false
  end
  limit 1;
  if v_pool_id is not null then
    return jsonb_build_object('path', 'p_after.' || v_pool_id, 'rule', ledger_private.rule_text('count'));
  elsif p_limit is null or p_limit not between 1 and 10000 then
    return jsonb_build_object('path', 'p_limit', 'rule', 'must be a whole number from 1 to 10000');
  end if;
  return null;
end;
$$;
--! EndIncluded rules/misfit_of_cursor.sql
--! Included private/pools_of_run.sql
-- The pools of a run: its root's and those below it, walked by key. None where the id is no run's.
create or replace function ledger_private.pools_of_run(p_tenant_id text, p_run_id text)
returns text[]
language plpgsql
stable
as $$
begin
  return array(
    with recursive tree as (
      select r.run_id as pool_id from ledger_private.runs r where r.tenant_id = p_tenant_id and r.run_id = p_run_id
      union all
      select c.pool_id
      from tree t
      cross join lateral (
        select p.pool_id from ledger_private.pools p where p.tenant_id = p_tenant_id and p.parent_pool_id = t.pool_id
        offset 0
      ) c
    )
    select t.pool_id from tree t
  );
end;
$$;
--! EndIncluded private/pools_of_run.sql
--! Included private/pools_moved.sql
-- The pools that have moved since a cursor, with what it has seen (after) and what there is (head). p_pool_ids: look at these only, by key.
create or replace function ledger_private.pools_moved(
  p_tenant_id text,
  p_after jsonb,
  p_pool_ids text[]
)
returns table (
  pool_id text,
  after bigint,
  head bigint
)
language plpgsql
stable
as $$
begin
  if p_pool_ids is not null then
    return query
      select h.pool_id, coalesce((p_after ->> h.pool_id)::bigint, 0), h.seq
      from unnest(p_pool_ids) i (pool_id)
      cross join lateral (
        select k.pool_id, k.seq from ledger_private.pool_heads k where k.tenant_id = p_tenant_id and k.pool_id = i.pool_id
        offset 0
      ) h
      where h.seq > coalesce((p_after ->> h.pool_id)::bigint, 0);
    return;
  end if;
  return query
    select h.pool_id, coalesce(c.seq, 0), h.seq
    from ledger_private.pool_heads h
    left join (select e.key, e.value::bigint as seq from jsonb_each(p_after) e) c on c.key = h.pool_id
    where h.tenant_id = p_tenant_id and h.seq > coalesce(c.seq, 0);
end;
$$;
--! EndIncluded private/pools_moved.sql
--! Included private/latest_of_first.sql
-- A moment by which pools that moved (ledger_private.pools_moved) have p_limit new rows together, so that nothing later is among the first
-- p_limit: infinity where there is none that is quickly known. Of each pool the first few rows are looked at, the fewer the more pools there are;
-- where enough pools have had theirs by some moment, that is it.
create or replace function ledger_private.latest_of_first(
  p_tenant_id text,
  p_pool_ids text[],
  p_after bigint[],
  p_heads bigint[],
  p_limit integer
)
returns timestamptz
language plpgsql
stable
as $$
declare
  v_few constant integer := greatest(2 * p_limit / cardinality(p_pool_ids), 1);
begin
  return coalesce((
    select f.at
    from unnest(p_pool_ids, p_after, p_heads) p (pool_id, after, head)
    cross join lateral (
      select max(j.recorded_at) as at from ledger_private.journal j
      where j.tenant_id = p_tenant_id and j.pool_id = p.pool_id and j.seq > p.after and j.seq <= p.after + v_few
    ) f
    where p.head >= p.after + v_few
    order by f.at
    offset (p_limit - 1) / v_few limit 1
  ), 'infinity');
end;
$$;
--! EndIncluded private/latest_of_first.sql
--! Included functions/events.sql
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
          select k.seq - 1 from ledger_private.journal k
          where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id and k.seq > p.after and k.seq <= p.after + p_limit
            and k.recorded_at > v_until
          order by k.seq limit 1
        )) as last
      ) e
      cross join lateral (
        select k.seq, k.recorded_at from ledger_private.journal k
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
--! EndIncluded functions/events.sql
--! Included rules/channel_of.sql
-- The NOTIFY channel of a tenant. A hash, because anybody who is connected to the database can listen on any channel: it names nobody.
create or replace function ledger_private.channel_of(p_tenant_id text)
returns text
language sql
immutable
parallel safe
return 'ledger_' || left(encode(sha256(convert_to('agent-ledger/' || p_tenant_id, 'UTF8')), 'hex'), 40);
--! EndIncluded rules/channel_of.sql
--! Included functions/follow.sql
-- Makes this session listen on the channel of a tenant (from the moment its transaction commits) and answers the channel's name. What arrives
-- there is a hint that something may have moved (ledger.announce), never news: read ledger.events after it, and now and then without it.
-- `unlisten` ends it; so does the connection's end.
-- Raises: LG009, LG012.
create or replace function ledger.follow(p_tenant_id text)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_channel constant text := ledger_private.channel_of(p_tenant_id);
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  execute format('listen %I', v_channel);
  return v_channel;
end;
$$;
comment on function ledger.follow(text) is 'Listens for hints that a tenant''s pools have moved; returns the channel.';
revoke all on function ledger.follow(text) from public;
grant execute on function ledger.follow(text) to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded functions/follow.sql
--! Included functions/announce.sql
-- Tells the followers of a tenant (ledger.follow) that something may have moved. No payload: what moved is read by seq (ledger.events).
-- The write path itself does not notify: a transaction that notified takes one lock over all commits of the server until its own commit is
-- flushed, so every write of every tenant would queue up behind the disk. Clients announce after their calls, in a transaction of its own, and
-- not more often than followers want to look. Who writes without announcing is seen at the followers' next look.
-- Raises: LG009, LG012.
create or replace function ledger.announce(p_tenant_id text)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  perform pg_notify(ledger_private.channel_of(p_tenant_id), '');
end;
$$;
comment on function ledger.announce(text) is 'Hints to the followers of a tenant that something may have moved.';
revoke all on function ledger.announce(text) from public;
grant execute on function ledger.announce(text) to ledger_admin, ledger_writer;
--! EndIncluded functions/announce.sql

-- Locks before the transaction
--! Included functions/locks_of.sql
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
--! EndIncluded functions/locks_of.sql
--! Included functions/lock_pools.sql
-- The first half of a serializable transaction of the client's own whose locks come first, so that it loses no race against other calls:
--   call ledger.lock_pools(tenant, pools);       waits, and returns with session-level locks
--   begin isolation level serializable;
--   select ledger.take_over(tenant, pools);      the first statement: from here the transaction owns the locks
--   …                                            the client's own rows, ledger.apply on those pools
--   commit;
-- As ledger.submit does: it waits in READ COMMITTED with transaction-level locks, ascending, starts over where a pool was closed meanwhile, takes
-- the same keys session-level, and commits. An error while it waits frees everything. From its return to the end of take_over nothing does but
-- the end of the connection: a client that fails there, or is cancelled inside this call, closes its connection.
-- No security definer and no SET clause: a procedure that has one cannot COMMIT. It cannot run inside a transaction block. submit has these
-- statements too and does not call this: it would pay for another call, and know its keys twice.
-- Locks: the pools of ledger.locks_of, ascending.
-- Raises: as ledger.locks_of.
create or replace procedure ledger.lock_pools(p_tenant_id text, p_pool_ids text[])
language plpgsql
as $$
declare
  v_keys bigint[];
  v_key bigint;
begin
  loop
    commit; -- inside a transaction block this fails, before anything is locked
    set transaction isolation level read committed;
    v_keys := ledger.locks_of(p_tenant_id, p_pool_ids);
    foreach v_key in array v_keys loop
      perform pg_catalog.pg_advisory_xact_lock(v_key);
    end loop;
    exit when v_keys operator(pg_catalog.@>) ledger.locks_of(p_tenant_id, p_pool_ids);
  end loop;
  foreach v_key in array v_keys loop
    perform pg_catalog.pg_advisory_lock(v_key);
  end loop;
  commit;
end;
$$;
comment on procedure ledger.lock_pools(text, text[]) is
  'Takes the locks of a serializable transaction over these pools before it begins; ledger.take_over hands them to it.';
revoke all on procedure ledger.lock_pools(text, text[]) from public;
grant execute on procedure ledger.lock_pools(text, text[]) to ledger_admin, ledger_writer;
--! EndIncluded functions/lock_pools.sql
--! Included functions/take_over.sql
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
--! EndIncluded functions/take_over.sql

-- Batches on several pools look them up by key
--! Included private/load_pools.sql
-- The pools of those ids that exist in this tenant, those that pay for them, their heads and their rows: what a fold works on. Heads and rows
-- are read by writing them as they are, row after row, for the reason given in ledger_private.move_channels: found by key, pool by pool, and
-- written by place, because an update joined with the list of pools may be planned as a scan of all the tenant has.
create or replace function ledger_private.load_pools(
  p_tenant_id text,
  p_pool_ids text[],
  out p_pools ledger_private.pools[],
  out p_heads ledger_private.pool_heads[],
  out p_rows ledger_private.channels[]
)
language plpgsql
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  p_pools := array(
    select p
    from (
      select unnest(p_pool_ids) as pool_id
      union
      select unnest(p.payers)
      from unnest(p_pool_ids) i (pool_id)
      cross join lateral (
        select p.payers from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = i.pool_id limit 1
      ) p
    ) i
    cross join lateral (
      select p.* from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = i.pool_id limit 1
    ) p
    order by p.pool_id
  );
  with touched as (
    update ledger_private.pool_heads h set seq = h.seq
    from unnest(p_pools) p
    cross join lateral (
      select k.ctid as place from ledger_private.pool_heads k where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id limit 1
    ) k
    where h.ctid = k.place
    returning h as head
  )
  select array_agg(t.head order by (t.head).pool_id) into p_heads from touched t;
  with touched as (
    update ledger_private.channels c set reserved = c.reserved
    from unnest(p_pools) p
    cross join lateral (
      select k.ctid as place from ledger_private.channels k where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id
      offset 0
    ) k
    where c.ctid = k.place
    returning c as row
  )
  select array_agg(t.row order by (t.row).pool_id, ledger_private.channel_order((t.row).channel)) into p_rows from touched t;
end;
$$;
--! EndIncluded private/load_pools.sql

-- Corrections by line
--! Included rules/shape.sql
-- The keys of an operation (besides those of 'any'), of a spend and of a usage line: name -> kind (ledger_private.fits), 'spend', or the shape
-- of an object; "!" lists the required ones, "*" stands for any other channel name. Null for an operation that does not exist.
create or replace function ledger_private.shape(p_op text)
returns jsonb
language sql
immutable
parallel safe
return case p_op
  when 'any' then '{
    "op": "id", "operation_id": "id", "effective_at": "instant", "tags": "tags"
  }'::jsonb
  when 'spend' then '{
    "!": ["iterations", "input_tokens", "output_tokens"],
    "iterations": "count", "input_tokens": "count", "output_tokens": "count", "cache_read_tokens": "count", "cache_write_tokens": "count",
    "reasoning_tokens": "count", "usd": "money", "usd_known": "flag", "tokens_known": "flag", "ms": "count",
    "resources": {"!": [], "tokens": "own", "iterations": "own", "usd": "own", "*": {"!": ["amount"], "amount": "money"}}
  }'::jsonb
  when 'line' then '{
    "!": [], "provider": "id", "model": "id", "provider_request_id": "id",
    "iterations": "count", "input_tokens": "count", "output_tokens": "count", "cache_read_tokens": "count", "cache_write_tokens": "count",
    "reasoning_tokens": "count", "usd": "money", "usd_known": "flag", "tokens_known": "flag", "ms": "count",
    "resources": {"!": [], "tokens": "own", "iterations": "own", "usd": "own", "*": {"!": ["amount"], "amount": "money"}}
  }'::jsonb
  when 'meter' then '{
    "!": ["pool_id", "spend"],
    "pool_id": "id", "turn": "small", "tool_calls": "names", "detail": "json",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'spawn' then '{
    "!": ["pool_id", "label", "budget"],
    "pool_id": "id", "node_id": "id", "label": "id", "runtime": "id", "key": "id", "lease_ms": "duration_ms", "driver": "flag",
    "budget": {"!": [], "tokens": "count", "iterations": "count", "usd": "money", "*": "money"}
  }'::jsonb
  when 'settle' then '{
    "!": ["node_id", "outcome"],
    "node_id": "id", "outcome": "outcome", "verdict": "json", "out_ref": "id", "reason": "text", "infra": "flag",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'cancel' then '{
    "!": ["node_id", "reason"],
    "node_id": "id", "reason": "text",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'correct' then '{
    "!": ["of", "spend", "reason"],
    "of": "id", "reason": "text", "tool_calls": "names", "lines": "lines", "spend": "spend"
  }'::jsonb
  when 'dispatch' then '{
    "!": ["node_id"],
    "node_id": "id"
  }'::jsonb
  when 'extend' then '{
    "!": ["node_id", "lease_ms"],
    "node_id": "id", "lease_ms": "duration_ms"
  }'::jsonb
  when 'deliver' then '{
    "!": ["pool_id"],
    "pool_id": "id"
  }'::jsonb
  when 'open_pool' then '{
    "!": ["pool_id", "channels"],
    "pool_id": "id", "deadline_ms": "duration_ms", "max_depth": "small", "unknown_usd": "unknown_usd", "token_charge": "token_charge",
    "parent_pool_id": "id",
    "channels": {
      "!": [], "tokens": {"!": [], "total": "count", "unit": "id"}, "iterations": {"!": [], "total": "count", "unit": "id"},
      "*": {"!": [], "total": "money", "unit": "id"}
    },
    "run": {"!": ["label"], "label": "id", "experiment": "id", "arm": "id", "task": "id", "replicate": "replicate"}
  }'::jsonb
  when 'fund' then '{
    "!": ["pool_id", "amounts"],
    "pool_id": "id", "amounts": {"!": [], "tokens": "whole", "iterations": "whole", "*": "change"}
  }'::jsonb
  when 'expire' then '{
    "!": [],
    "pool_id": "id"
  }'::jsonb
  when 'freeze' then '{
    "!": ["pool_id"],
    "pool_id": "id", "reason": "text"
  }'::jsonb
  when 'thaw' then '{
    "!": ["pool_id"],
    "pool_id": "id", "reason": "text"
  }'::jsonb
  when 'close_pool' then '{
    "!": ["pool_id"],
    "pool_id": "id"
  }'::jsonb
  when 'judge' then '{
    "!": ["run_id", "resolved"],
    "run_id": "id", "resolved": "flag", "score": "score", "infra": "flag"
  }'::jsonb
end;
--! EndIncluded rules/shape.sql
--! Included private/lines_kept.sql
-- The usage lines kept for an event and its corrections.
create or replace function ledger_private.lines_kept(p_event ledger_private.journal)
returns table (
  provider text,
  model text,
  request text,
  line ledger_private.usage
)
language plpgsql
stable
as $$
begin
  return query
    select
      l.provider, l.model, l.provider_request_id,
      row(
        l.iterations, l.input_tokens, l.output_tokens, l.cache_read_tokens, l.cache_write_tokens, l.reasoning_tokens, l.charged_tokens,
        l.usd, l.ms, 0, 0, l.uncertain_usd, l.tokens_known, l.usd_known, l.resources, 0, 0, 0, 0
      )::ledger_private.usage
    from (
      select p_event.seq
      union all
      select j.seq from ledger_private.journal j
      where j.tenant_id = p_event.tenant_id and j.pool_id = p_event.pool_id and j.corrects_seq = p_event.seq
    ) e
    cross join lateral (
      select k.* from ledger_private.usage_lines k
      where k.tenant_id = p_event.tenant_id and k.pool_id = p_event.pool_id and k.seq = e.seq
      offset 0
    ) l;
end;
$$;
--! EndIncluded private/lines_kept.sql
--! Included private/correct_lines.sql
-- Writes the usage lines of a correction: what must be added to the lines kept so far for the event and its corrections (p_booked) so that they
-- become the true ones, by provider, model and request, also dollars first stated as 0; nothing where the operation states none. What lines
-- leave unexplained the view ledger.usage_lines shows as one more row under the event's own provider and model, so that all sums come out true.
create or replace function ledger_private.correct_lines(
  p_pool ledger_private.pools,
  p_booked ledger_private.journal,
  p_seq bigint,
  p_operation jsonb
)
returns void
language plpgsql
as $$
begin
  if not p_operation ? 'lines' then
    return;
  end if;
  insert into ledger_private.usage_lines (
    tenant_id, pool_id, seq, line, provider, model, provider_request_id, iterations, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, reasoning_tokens, charged_tokens, usd, ms, uncertain_usd, tokens_known, usd_known, resources, correction
  )
  with deltas as (
    select 1 as sign, l.place, k.provider, k.model, k.request, u as line
    from jsonb_array_elements(p_operation -> 'lines') with ordinality l (line, place)
    cross join lateral (
      select
        coalesce(l.line ->> 'provider', p_operation ->> 'provider', p_booked.provider) as provider,
        coalesce(l.line ->> 'model', p_operation ->> 'model', p_booked.model) as model,
        coalesce(l.line ->> 'provider_request_id', p_operation ->> 'provider_request_id', p_booked.provider_request_id) as request
    ) k
    cross join lateral ledger_private.usage_of(l.line, p_pool.token_charge) u
    union all
    select -1, null, k.provider, k.model, k.request, k.line from ledger_private.lines_kept(p_booked) k
  ),
  sums as (
    select
      d.provider, d.model, d.request, min(d.place) as place, sum(d.sign * (d.line).iterations) as iterations,
      sum(d.sign * (d.line).input_tokens) as input_tokens, sum(d.sign * (d.line).output_tokens) as output_tokens,
      sum(d.sign * (d.line).cache_read_tokens) as cache_read_tokens, sum(d.sign * (d.line).cache_write_tokens) as cache_write_tokens,
      sum(d.sign * (d.line).reasoning_tokens) as reasoning_tokens, sum(d.sign * (d.line).charged_tokens) as charged_tokens,
      sum(d.sign * (d.line).usd) as usd, sum(d.sign * (d.line).ms) as ms, sum(d.sign * (d.line).uncertain_usd) as uncertain_usd,
      coalesce(bool_and((d.line).tokens_known) filter (where d.sign > 0), true) as tokens_known,
      coalesce(bool_and((d.line).usd_known) filter (where d.sign > 0), true) as usd_known,
      bool_or(d.sign > 0 and (d.line).usd is not null) and bool_or(d.sign < 0 and (d.line).usd is null) as states_dollars
    from deltas d
    group by d.provider, d.model, d.request
  )
  select
    p_pool.tenant_id, p_pool.pool_id, p_seq, row_number() over (order by s.place, s.provider, s.model, s.request) - 1,
    s.provider, s.model, s.request, s.iterations, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens,
    s.reasoning_tokens, s.charged_tokens, s.usd, s.ms, s.uncertain_usd, s.tokens_known, s.usd_known, r.resources, true
  from sums s
  cross join lateral (
    select jsonb_object_agg(n.name, jsonb_build_object('amount', n.amount)) as resources
    from (
      select e.key as name, sum(d.sign * ledger_private.amount(e.value -> 'amount')) as amount
      from deltas d
      cross join lateral jsonb_each((d.line).resources) e
      where (d.provider, d.model, d.request) is not distinct from (s.provider, s.model, s.request)
      group by e.key
    ) n
    where n.amount <> 0
  ) r
  where r.resources is not null or s.states_dollars
    or greatest(abs(s.iterations), abs(s.input_tokens), abs(s.output_tokens), abs(s.cache_read_tokens), abs(s.cache_write_tokens),
      abs(s.reasoning_tokens), abs(s.charged_tokens), abs(s.usd), abs(s.ms), abs(s.uncertain_usd)) > 0;
end;
$$;
--! EndIncluded private/correct_lines.sql
--! Included operations/correct.sql
-- correct: the true spend of an event, named by the operation that booked it (always the first one). The difference is booked, what was
-- uncertain is released, and it goes up through closed pools. lines: the whole truth per line, of which the difference is kept; tool_calls:
-- names seen only now. Errors: LG001 (`of` booked no single spend of its own).
create or replace function ledger_private.op_correct(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_event ledger_private.journal;
  v_pool ledger_private.pools;
  v_budget jsonb;
  v_correction ledger_private.journal;
  v_seq bigint;
begin
  v_event := ledger_private.event_booked_by(p_tenant_id, p_operation ->> 'of');
  if v_event.seq is null then
    return ledger_private.failed(
      'LG001', 'of', 'must be an operation that booked a spend of its own, of one node, and is still kept; not a correction'
    );
  end if;
  v_pool := ledger_private.find_pool(p_tenant_id, v_event.pool_id);
  if v_event.kind <> 'metered' then
    v_budget := (ledger_private.find_node(p_tenant_id, v_event.node_id)).budget;
  end if;
  v_correction := ledger_private.event(v_pool, 'corrected', p_operation, p_at);
  v_correction.tool_calls := p_operation -> 'tool_calls';
  v_seq := ledger_private.correct_event(
    v_pool, v_event, ledger_private.usage_of(p_operation -> 'spend', v_pool.token_charge, v_budget), v_correction
  );
  perform ledger_private.correct_lines(v_pool, v_event, v_seq, p_operation);
  return ledger_private.ok(v_pool.pool_id, v_seq);
end;
$$;
--! EndIncluded operations/correct.sql
--! Included private/settle_leaf.sql
-- Ends a leaf as done, down or cancelled with what the operation says it spent; without a spend, with what an unreported leaf is charged.
-- Error: LG004 already ended (an expired leaf may be settled once more, late).
create or replace function ledger_private.settle_leaf(
  p_node ledger_private.nodes,
  p_status text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_node.tenant_id, p_node.parent_node_id);
  v_usage ledger_private.usage;
  v_event ledger_private.journal;
  v_booked ledger_private.journal;
  v_seq bigint;
begin
  if p_node.ended_at is not null and (p_node.status <> 'expired' or p_node.late) then
    return ledger_private.failed('LG004', 'node_id', format('node %s has already ended', p_node.node_id));
  end if;
  v_usage := case
    when p_operation ? 'spend' then ledger_private.usage_of(p_operation -> 'spend', v_pool.token_charge, p_node.budget)
    else ledger_private.unreported_usage(p_node)
  end;
  if p_node.status = 'expired' then
    v_event := ledger_private.with_ending(ledger_private.event(v_pool, 'corrected', p_operation, p_at), p_node, p_status, p_operation);
    v_booked := ledger_private.find_event(p_node.tenant_id, v_pool.pool_id, p_node.terminal_seq);
    v_seq := ledger_private.correct_event(v_pool, v_booked, v_usage, v_event);
    perform ledger_private.correct_lines(v_pool, v_booked, v_seq, p_operation);
    perform ledger_private.end_node(p_node, p_status, null, p_operation, p_at);
  else
    v_seq := ledger_private.end_leaf(v_pool, p_node, p_status, v_usage, p_operation, p_at);
  end if;
  return ledger_private.ok(v_pool.pool_id, v_seq, jsonb_build_object(
    'spend', ledger_private.spend_json(v_usage), 'violations', ledger_private.violations(v_usage, p_node.budget)
  ));
end;
$$;
--! EndIncluded private/settle_leaf.sql

-- Views, with what each column may be
--! Included views/pools.sql
-- Budgets: what seldom changes. depth_left and deadline_at are the strictest of the pool and all above it.
create or replace view ledger.pools
with (security_invoker = true)
as
select
  p.tenant_id, p.pool_id, p.parent_pool_id, p.run_id, p.state, p.deadline_at, p.unknown_usd, p.token_charge,
  p.depth, p.depth_left, p.tags, p.opened_at
from ledger_private.pools p;
comment on view ledger.pools is 'Budgets: parent, run, state, limits and charge unit.';
comment on column ledger.pools.parent_pool_id is 'null: at the top';
comment on column ledger.pools.run_id is 'null: outside any run';
comment on column ledger.pools.deadline_at is 'null: none';
comment on column ledger.pools.depth_left is 'null: unbounded';
comment on column ledger.pools.tags is 'null: none';
revoke all on ledger.pools from public;
grant select on ledger.pools to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/pools.sql
--! Included views/channels.sql
-- Balances now. sealed: an unknown event closed the dollars; measured: every usage on the channel is known.
create or replace view ledger.channels
with (security_invoker = true)
as
select
  c.tenant_id, c.pool_id, c.channel, c.unit, c.total is not null as capped,
  trim_scale(c.total) as total, trim_scale(c.free) as free, trim_scale(c.reserved) as reserved,
  trim_scale(c.committed) as committed, trim_scale(c.uncertain) as uncertain,
  c.unknown = 0 as measured, c.seals > 0 as sealed, c.payer_pool_id
from ledger_private.channels c;
comment on view ledger.channels is 'Balances now: total = free + reserved + committed where capped.';
comment on column ledger.channels.unit is 'null: none named';
comment on column ledger.channels.total is 'null: uncapped';
comment on column ledger.channels.free is 'null: uncapped';
comment on column ledger.channels.payer_pool_id is 'null: nobody pays';
revoke all on ledger.channels from public;
grant select on ledger.channels to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/channels.sql
--! Included views/pool_heads.sql
-- What has moved: seq of the last journal row of each pool, and what is open in it.
create or replace view ledger.pool_heads
with (security_invoker = true)
as
select h.tenant_id, h.pool_id, h.seq, h.open_holds, h.undelivered, h.next_lease_at
from ledger_private.pool_heads h;
comment on view ledger.pool_heads is 'The last seq of each pool: what has moved.';
comment on column ledger.pool_heads.next_lease_at is 'null: no open hold has a lease';
revoke all on ledger.pool_heads from public;
grant select on ledger.pool_heads to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/pool_heads.sql
--! Included views/runs.sql
-- Runs: where they stand in an experiment, how they ended, how they were judged.
create or replace view ledger.runs
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, r.label, r.experiment, r.arm, r.task, r.replicate, r.outcome, r.verdict, r.out_ref, r.reason, r.infra,
  r.resolved, r.score, r.opened_at, r.judged_at
from ledger_private.runs r;
comment on view ledger.runs is 'Runs: label, experiment, outcome, judgement.';
comment on column ledger.runs.experiment is 'null: in none';
comment on column ledger.runs.arm is 'null: in no experiment';
comment on column ledger.runs.task is 'null: not stated';
comment on column ledger.runs.replicate is 'null: not stated';
comment on column ledger.runs.outcome is 'null: not ended';
comment on column ledger.runs.verdict is 'null: none';
comment on column ledger.runs.out_ref is 'null: none';
comment on column ledger.runs.reason is 'null: not stated';
comment on column ledger.runs.resolved is 'null: not judged';
comment on column ledger.runs.score is 'null: not judged, or without one';
comment on column ledger.runs.judged_at is 'null: not judged';
revoke all on ledger.runs from public;
grant select on ledger.runs to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/runs.sql
--! Included views/journal.sql
-- The journal as it was written. Usage is null where an event consumed nothing; usd is null where it is unknown.
create or replace view ledger.journal
with (security_invoker = true)
as
select
  j.tenant_id, j.pool_id, j.seq, j.kind, j.operation_id, j.run_id, j.node_id, j.provider, j.model, j.provider_request_id, j.purpose,
  j.turn, j.tool_calls, j.tags,
  j.iterations, j.input_tokens, j.output_tokens,
  case when j.iterations is not null then coalesce(j.cache_read_tokens, 0) end as cache_read_tokens,
  case when j.iterations is not null then coalesce(j.cache_write_tokens, 0) end as cache_write_tokens,
  case when j.iterations is not null then coalesce(j.reasoning_tokens, 0) end as reasoning_tokens,
  j.charged_tokens, trim_scale(j.usd) as usd,
  case when j.iterations is not null then coalesce(j.ms, 0) end as ms,
  case when j.iterations is not null then coalesce(j.uncertain_tokens, 0) end as uncertain_tokens,
  case when j.iterations is not null then coalesce(j.uncertain_iterations, 0) end as uncertain_iterations,
  case when j.iterations is not null then coalesce(trim_scale(j.uncertain_usd), 0) end as uncertain_usd,
  j.tokens_known, j.usd_known, j.resources, j.verdict, j.outcome, j.out_ref, j.reason, j.detail,
  j.source_pool_id, j.source_seq, j.effective_at, j.recorded_at, j.recorded_by, j.corrects_seq, j.infra
from ledger_private.journal j;
comment on view ledger.journal is 'Every event, append-only, dense seq per pool.';
comment on column ledger.journal.run_id is 'null: outside any run';
comment on column ledger.journal.provider is 'null: not stated';
comment on column ledger.journal.model is 'null: not stated';
comment on column ledger.journal.provider_request_id is 'null: not stated';
comment on column ledger.journal.purpose is 'null: not stated';
comment on column ledger.journal.turn is 'null: not stated';
comment on column ledger.journal.tool_calls is 'null: not stated';
comment on column ledger.journal.tags is 'null: none';
comment on column ledger.journal.iterations is 'null: nothing consumed';
comment on column ledger.journal.input_tokens is 'null: nothing consumed';
comment on column ledger.journal.output_tokens is 'null: nothing consumed';
comment on column ledger.journal.cache_read_tokens is 'null: nothing consumed';
comment on column ledger.journal.cache_write_tokens is 'null: nothing consumed';
comment on column ledger.journal.reasoning_tokens is 'null: nothing consumed';
comment on column ledger.journal.charged_tokens is 'null: nothing consumed';
comment on column ledger.journal.usd is 'null: nothing consumed, or unknown';
comment on column ledger.journal.ms is 'null: nothing consumed';
comment on column ledger.journal.uncertain_tokens is 'null: nothing consumed';
comment on column ledger.journal.uncertain_iterations is 'null: nothing consumed';
comment on column ledger.journal.uncertain_usd is 'null: nothing consumed';
comment on column ledger.journal.tokens_known is 'null: nothing consumed';
comment on column ledger.journal.usd_known is 'null: nothing consumed';
comment on column ledger.journal.resources is 'null: none';
comment on column ledger.journal.verdict is 'null: none';
comment on column ledger.journal.outcome is 'null: ends no node';
comment on column ledger.journal.out_ref is 'null: none';
comment on column ledger.journal.reason is 'null: not stated';
comment on column ledger.journal.detail is 'null: none';
comment on column ledger.journal.source_pool_id is 'null: of this pool''s own';
comment on column ledger.journal.source_seq is 'null: of this pool''s own';
comment on column ledger.journal.corrects_seq is 'null: corrects nothing here';
comment on column ledger.journal.infra is 'null: not stated';
revoke all on ledger.journal from public;
grant select on ledger.journal to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/journal.sql
--! Included views/postings.sql
-- The journal unpivoted: what each event added to total, reserved, committed and uncertain of one channel. Sums give any balance.
create or replace view ledger.postings
with (security_invoker = true)
as
select
  j.tenant_id, j.pool_id, j.seq, j.kind, j.operation_id, j.run_id, j.node_id, m.channel,
  trim_scale(m.funded) as funded, trim_scale(m.held) as held, trim_scale(m.spent) as spent, trim_scale(m.uncertain) as uncertain,
  j.effective_at, j.recorded_at
from ledger_private.journal j
cross join lateral (
  select
    'tokens' as channel, coalesce(j.tokens_funded, 0) as funded, coalesce(j.tokens_held, 0) as held,
    coalesce(j.tokens_spent, 0) as spent, coalesce(j.tokens_uncertain, 0) as uncertain
  union all
  select
    'iterations', coalesce(j.iterations_funded, 0), coalesce(j.iterations_held, 0),
    coalesce(j.iterations_spent, 0), coalesce(j.iterations_uncertain, 0)
  union all
  select
    'usd', coalesce(j.usd_funded, 0), coalesce(j.usd_held, 0),
    coalesce(j.usd_spent, 0) + coalesce(j.usd_remainder, 0), coalesce(j.usd_uncertain, 0) + coalesce(j.usd_remainder, 0)
  union all
  select
    r.key, coalesce((r.value -> 'funded')::numeric, 0), coalesce((r.value -> 'held')::numeric, 0),
    coalesce((r.value -> 'spent')::numeric, 0), coalesce((r.value -> 'uncertain')::numeric, 0)
  from jsonb_each(j.resource_moves) r
) m
where m.funded <> 0 or m.held <> 0 or m.spent <> 0 or m.uncertain <> 0;
comment on view ledger.postings is 'What each event did to each channel: sums give any balance at any seq or time.';
comment on column ledger.postings.run_id is 'null: outside any run';
revoke all on ledger.postings from public;
grant select on ledger.postings to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/postings.sql
--! Included views/usage_lines.sql
-- One row per usage line; an event without lines is its own line, and what lines leave unexplained (a ceiling charged, a correction) is one
-- more, line null. Transfers and `drawn` rows are no usage.
create or replace view ledger.usage_lines
with (security_invoker = true)
as
select
  l.tenant_id, l.pool_id, l.seq, l.line, j.run_id, j.node_id, j.kind, j.operation_id, l.provider, l.model, l.provider_request_id, j.purpose, j.tags,
  l.iterations, l.input_tokens, l.output_tokens, l.cache_read_tokens, l.cache_write_tokens, l.reasoning_tokens, l.charged_tokens,
  trim_scale(l.usd) as usd, l.ms, 0::numeric as uncertain_tokens, 0::numeric as uncertain_iterations, trim_scale(l.uncertain_usd) as uncertain_usd,
  l.tokens_known, l.usd_known, l.resources, j.effective_at, j.recorded_at
from ledger_private.usage_lines l
join ledger_private.journal j on j.tenant_id = l.tenant_id and j.pool_id = l.pool_id and j.seq = l.seq
union all
select
  j.tenant_id, j.pool_id, j.seq, null, j.run_id, j.node_id, j.kind, j.operation_id, j.provider, j.model, j.provider_request_id, j.purpose, j.tags,
  coalesce(j.iterations, 0) - l.iterations, coalesce(j.input_tokens, 0) - l.input_tokens, coalesce(j.output_tokens, 0) - l.output_tokens,
  coalesce(j.cache_read_tokens, 0) - l.cache_read_tokens, coalesce(j.cache_write_tokens, 0) - l.cache_write_tokens,
  coalesce(j.reasoning_tokens, 0) - l.reasoning_tokens, coalesce(j.charged_tokens, 0) - l.charged_tokens,
  trim_scale(case when l.lines = 0 then j.usd else coalesce(j.usd, 0) - l.usd end), coalesce(j.ms, 0) - l.ms,
  coalesce(j.uncertain_tokens, 0), coalesce(j.uncertain_iterations, 0), trim_scale(coalesce(j.uncertain_usd, 0) - l.uncertain_usd),
  j.tokens_known, j.usd_known, r.resources, j.effective_at, j.recorded_at
from ledger_private.journal j
cross join lateral (
  select
    count(*) as lines, coalesce(sum(l.iterations), 0) as iterations, coalesce(sum(l.input_tokens), 0) as input_tokens,
    coalesce(sum(l.output_tokens), 0) as output_tokens, coalesce(sum(l.cache_read_tokens), 0) as cache_read_tokens,
    coalesce(sum(l.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(l.reasoning_tokens), 0) as reasoning_tokens,
    coalesce(sum(l.charged_tokens), 0) as charged_tokens, coalesce(sum(l.usd), 0) as usd, coalesce(sum(l.ms), 0) as ms,
    coalesce(sum(l.uncertain_usd), 0) as uncertain_usd
  from ledger_private.usage_lines l
  where l.tenant_id = j.tenant_id and l.pool_id = j.pool_id and l.seq = j.seq
) l
cross join lateral (
  select jsonb_object_agg(d.name, jsonb_build_object('amount', trim_scale(d.amount))) as resources
  from (
    select a.name, sum(a.amount) as amount
    from (
      select e.key as name, (e.value ->> 'amount')::numeric as amount from jsonb_each(j.resources) e
      union all
      select e.key, -(e.value ->> 'amount')::numeric
      from ledger_private.usage_lines k
      cross join lateral jsonb_each(k.resources) e
      where k.tenant_id = j.tenant_id and k.pool_id = j.pool_id and k.seq = j.seq
    ) a
    group by a.name
  ) d
  where d.amount <> 0
) r
where j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
  and (
    l.lines = 0
    or (
      coalesce(j.iterations, 0), coalesce(j.input_tokens, 0), coalesce(j.output_tokens, 0), coalesce(j.charged_tokens, 0),
      coalesce(j.cache_read_tokens, 0), coalesce(j.cache_write_tokens, 0), coalesce(j.reasoning_tokens, 0), coalesce(j.usd, 0), coalesce(j.ms, 0),
      coalesce(j.uncertain_usd, 0), coalesce(j.uncertain_tokens, 0), coalesce(j.uncertain_iterations, 0)
    ) is distinct from (
      l.iterations, l.input_tokens, l.output_tokens, l.charged_tokens, l.cache_read_tokens, l.cache_write_tokens, l.reasoning_tokens, l.usd, l.ms,
      l.uncertain_usd, 0, 0
    )
    or r.resources is not null
  );
comment on view ledger.usage_lines is 'What prices and attribution read: one row per line, or per event without lines.';
comment on column ledger.usage_lines.line is 'null: the event itself, or what its lines leave unexplained';
comment on column ledger.usage_lines.run_id is 'null: outside any run';
comment on column ledger.usage_lines.provider is 'null: not stated';
comment on column ledger.usage_lines.model is 'null: not stated';
comment on column ledger.usage_lines.provider_request_id is 'null: not stated';
comment on column ledger.usage_lines.purpose is 'null: not stated';
comment on column ledger.usage_lines.tags is 'null: none';
comment on column ledger.usage_lines.usd is 'null: unknown';
comment on column ledger.usage_lines.resources is 'null: none';
revoke all on ledger.usage_lines from public;
grant select on ledger.usage_lines to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/usage_lines.sql
--! Included views/usage_daily.sql
-- Usage per day (UTC, of effective_at), provider, model, purpose and tags: every row of ledger.usage_lines once. A correction counts on the day
-- of its own effective_at. lines: calls counted, which are the lines of events and the events without lines, no corrections and no remainders.
-- usd is null only where nothing of it is known. An event that was corrected is as known as its last correction.
create or replace view ledger.usage_daily
with (security_invoker = true)
as
select
  u.tenant_id, (u.effective_at at time zone 'UTC')::date as day, u.provider, u.model, u.purpose, u.tags,
  count(*) filter (where u.kind <> 'corrected' and (u.line is not null or f.line is null)) as lines,
  sum(u.iterations) as iterations, sum(u.input_tokens) as input_tokens, sum(u.output_tokens) as output_tokens,
  sum(u.cache_read_tokens) as cache_read_tokens, sum(u.cache_write_tokens) as cache_write_tokens, sum(u.reasoning_tokens) as reasoning_tokens,
  sum(u.charged_tokens) as charged_tokens, trim_scale(sum(u.usd)) as usd, sum(u.ms) as ms,
  sum(u.uncertain_tokens) as uncertain_tokens, sum(u.uncertain_iterations) as uncertain_iterations,
  trim_scale(sum(u.uncertain_usd)) as uncertain_usd,
  bool_and(coalesce(c.tokens_known, u.tokens_known)) as tokens_known, bool_and(coalesce(c.usd_known, u.usd_known)) as usd_known
from ledger.usage_lines u
join ledger_private.journal j on j.tenant_id = u.tenant_id and j.pool_id = u.pool_id and j.seq = u.seq
left join ledger_private.usage_lines f
  on f.tenant_id = u.tenant_id and f.pool_id = u.pool_id and f.seq = u.seq and f.line = 0 and u.line is null
left join lateral (
  select k.tokens_known, k.usd_known
  from ledger_private.journal k
  where k.tenant_id = u.tenant_id and k.pool_id = u.pool_id and k.corrects_seq = coalesce(j.corrects_seq, j.seq)
  order by k.seq desc
  limit 1
) c on true
group by 1, 2, 3, 4, 5, 6;
comment on view ledger.usage_daily is 'Usage per day, provider, model, purpose and tags.';
comment on column ledger.usage_daily.provider is 'null: not stated';
comment on column ledger.usage_daily.model is 'null: not stated';
comment on column ledger.usage_daily.purpose is 'null: not stated';
comment on column ledger.usage_daily.tags is 'null: none';
comment on column ledger.usage_daily.usd is 'null: nothing of it is known';
revoke all on ledger.usage_daily from public;
grant select on ledger.usage_daily to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/usage_daily.sql
--! Included views/nodes.sql
-- The tree: every agent, worker or request with its hold, lease, place in delivery and end. lapsed: the lease (its own, else that of the
-- nearest driver above) has passed and its end is not booked yet.
create or replace view ledger.nodes
with (security_invoker = true)
as
select
  n.tenant_id, n.node_id, n.parent_node_id, n.run_id, n.driver, n.label, n.runtime, n.key, n.status,
  n.budget, n.hold, coalesce(n.lease_at, i.lease_at) as lease_at,
  n.ended_at is null and coalesce(coalesce(n.lease_at, i.lease_at) <= statement_timestamp(), false) as lapsed,
  n.cursor, case when n.ended_at is not null then n.status end as outcome, n.verdict, n.out_ref, n.reason, n.infra, n.tags,
  n.spawned_at, n.dispatched_at, n.ended_at
from ledger_private.nodes n
left join lateral (
  with recursive above as (
    select p.parent_node_id, p.lease_at
    from ledger_private.nodes p
    where p.tenant_id = n.tenant_id and p.node_id = n.parent_node_id and n.lease_at is null and n.ended_at is null
    union all
    select p.parent_node_id, p.lease_at
    from above a
    join ledger_private.nodes p on p.tenant_id = n.tenant_id and p.node_id = a.parent_node_id
    where a.lease_at is null
  )
  select a.lease_at from above a where a.lease_at is not null
) i on true;
comment on view ledger.nodes is 'Every node with status, hold, lease and end.';
comment on column ledger.nodes.parent_node_id is 'null: at the top';
comment on column ledger.nodes.run_id is 'null: outside any run';
comment on column ledger.nodes.runtime is 'null: not stated';
comment on column ledger.nodes.key is 'null: none';
comment on column ledger.nodes.lease_at is 'null: no lease, or ended without one of its own';
comment on column ledger.nodes.cursor is 'null: not delivered';
comment on column ledger.nodes.outcome is 'null: not ended';
comment on column ledger.nodes.verdict is 'null: none';
comment on column ledger.nodes.out_ref is 'null: none';
comment on column ledger.nodes.reason is 'null: not stated';
comment on column ledger.nodes.infra is 'null: not stated';
comment on column ledger.nodes.tags is 'null: none';
comment on column ledger.nodes.dispatched_at is 'null: never dispatched';
comment on column ledger.nodes.ended_at is 'null: not ended';
revoke all on ledger.nodes from public;
grant select on ledger.nodes to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/nodes.sql
--! Included views/refusals.sql
-- Who was refused what, and the balances seen, as long as operations are kept.
create or replace view ledger.refusals
with (security_invoker = true)
as
select o.tenant_id, o.pool_id, o.operation_id, o.label, o.code, coalesce(o.result -> 'shortfall', '[]') as shortfall, o.at
from ledger_private.operations o
where o.code is not null;
comment on view ledger.refusals is 'Refused operations: pool, label, reason, shortfall, when.';
comment on column ledger.refusals.label is 'null: no spawn';
revoke all on ledger.refusals from public;
grant select on ledger.refusals to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/refusals.sql
--! Included views/trajectory.sql
-- The tree of a run with spend. own: a leaf's ending, a driver's metered turns, with their corrections; a driver's `settled` row and `drawn`
-- rows are transfers, not spend. rolled_up: own and everything below. Children are found per parent by index; the roll-up is one running sum
-- over the nodes in tree order, where a node opens at its key and closes above all keys below it.
create or replace view ledger.trajectory
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, x.*
from ledger_private.runs r
cross join lateral (
  with recursive tree as (
    select
      n.node_id, n.parent_node_id, 0 as depth, array[n.node_id] as path, n.label, n.runtime, n.status, n.driver, '\x'::bytea as key
    from ledger_private.nodes n
    where n.tenant_id = r.tenant_id and n.node_id = r.run_id
    union all
    select
      c.node_id, c.parent_node_id, t.depth + 1, t.path || c.node_id, c.label, c.runtime, c.status, c.driver,
      t.key || int4send((row_number() over ())::integer)
    from tree t
    cross join lateral (
      select n.* from ledger_private.nodes n
      where n.tenant_id = r.tenant_id and n.parent_node_id = t.node_id and t.driver
      offset 0
    ) c
  ),
  own as (
    select
      j.node_id, coalesce(sum(j.iterations), 0) as iterations, coalesce(sum(j.input_tokens), 0) as input_tokens,
      coalesce(sum(j.output_tokens), 0) as output_tokens, coalesce(sum(j.cache_read_tokens), 0) as cache_read_tokens,
      coalesce(sum(j.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(j.reasoning_tokens), 0) as reasoning_tokens,
      coalesce(sum(j.charged_tokens), 0) as charged_tokens, coalesce(sum(j.usd), 0) as usd, coalesce(sum(j.ms), 0) as ms,
      coalesce(sum(j.uncertain_tokens), 0) as uncertain_tokens, coalesce(sum(j.uncertain_iterations), 0) as uncertain_iterations,
      coalesce(sum(j.uncertain_usd), 0) as uncertain_usd, coalesce(sum(j.tokens_unknown), 0) as tokens_unknown,
      coalesce(sum(j.usd_unknown), 0) as usd_unknown
    from tree t
    cross join lateral (
      select j.* from ledger_private.journal j
      where j.tenant_id = r.tenant_id and j.pool_id = t.node_id and t.driver
        and j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
      offset 0
    ) j
    group by j.node_id
  ),
  edges as (
    select
      t.key, t.node_id, 1 as sign, coalesce(o.iterations, 0) as iterations, coalesce(o.input_tokens, 0) as input_tokens,
      coalesce(o.output_tokens, 0) as output_tokens, coalesce(o.cache_read_tokens, 0) as cache_read_tokens,
      coalesce(o.cache_write_tokens, 0) as cache_write_tokens, coalesce(o.reasoning_tokens, 0) as reasoning_tokens,
      coalesce(o.charged_tokens, 0) as charged_tokens, coalesce(o.usd, 0) as usd, coalesce(o.ms, 0) as ms,
      coalesce(o.uncertain_tokens, 0) as uncertain_tokens, coalesce(o.uncertain_iterations, 0) as uncertain_iterations,
      coalesce(o.uncertain_usd, 0) as uncertain_usd, coalesce(o.tokens_unknown, 0) as tokens_unknown,
      coalesce(o.usd_unknown, 0) as usd_unknown
    from tree t
    left join own o on o.node_id = t.node_id
    union all
    select
      t.key || '\xff'::bytea, t.node_id, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from tree t
  ),
  running as (
    select
      e.node_id, e.sign,
      e.iterations as own_iterations, e.input_tokens as own_input_tokens, e.output_tokens as own_output_tokens,
      e.cache_read_tokens as own_cache_read_tokens, e.cache_write_tokens as own_cache_write_tokens,
      e.reasoning_tokens as own_reasoning_tokens, e.charged_tokens as own_charged_tokens, e.usd as own_usd, e.ms as own_ms,
      e.uncertain_tokens as own_uncertain_tokens, e.uncertain_iterations as own_uncertain_iterations,
      e.uncertain_usd as own_uncertain_usd, e.tokens_unknown as own_tokens_unknown, e.usd_unknown as own_usd_unknown,
      sum(e.iterations) over in_tree_order as iterations, sum(e.input_tokens) over in_tree_order as input_tokens,
      sum(e.output_tokens) over in_tree_order as output_tokens, sum(e.cache_read_tokens) over in_tree_order as cache_read_tokens,
      sum(e.cache_write_tokens) over in_tree_order as cache_write_tokens, sum(e.reasoning_tokens) over in_tree_order as reasoning_tokens,
      sum(e.charged_tokens) over in_tree_order as charged_tokens, sum(e.usd) over in_tree_order as usd,
      sum(e.ms) over in_tree_order as ms, sum(e.uncertain_tokens) over in_tree_order as uncertain_tokens,
      sum(e.uncertain_iterations) over in_tree_order as uncertain_iterations, sum(e.uncertain_usd) over in_tree_order as uncertain_usd,
      sum(e.tokens_unknown) over in_tree_order as tokens_unknown, sum(e.usd_unknown) over in_tree_order as usd_unknown
    from edges e
    window in_tree_order as (order by e.key rows unbounded preceding)
  ),
  rolled as (
    select
      u.node_id,
      sum(u.own_iterations) as own_iterations, sum(u.own_input_tokens) as own_input_tokens,
      sum(u.own_output_tokens) as own_output_tokens, sum(u.own_cache_read_tokens) as own_cache_read_tokens,
      sum(u.own_cache_write_tokens) as own_cache_write_tokens, sum(u.own_reasoning_tokens) as own_reasoning_tokens,
      sum(u.own_charged_tokens) as own_charged_tokens, sum(u.own_usd) as own_usd, sum(u.own_ms) as own_ms,
      sum(u.own_uncertain_tokens) as own_uncertain_tokens, sum(u.own_uncertain_iterations) as own_uncertain_iterations,
      sum(u.own_uncertain_usd) as own_uncertain_usd, sum(u.own_tokens_unknown) as own_tokens_unknown,
      sum(u.own_usd_unknown) as own_usd_unknown,
      sum(u.own_iterations - u.sign * u.iterations) as iterations, sum(u.own_input_tokens - u.sign * u.input_tokens) as input_tokens,
      sum(u.own_output_tokens - u.sign * u.output_tokens) as output_tokens,
      sum(u.own_cache_read_tokens - u.sign * u.cache_read_tokens) as cache_read_tokens,
      sum(u.own_cache_write_tokens - u.sign * u.cache_write_tokens) as cache_write_tokens,
      sum(u.own_reasoning_tokens - u.sign * u.reasoning_tokens) as reasoning_tokens,
      sum(u.own_charged_tokens - u.sign * u.charged_tokens) as charged_tokens, sum(u.own_usd - u.sign * u.usd) as usd,
      sum(u.own_ms - u.sign * u.ms) as ms, sum(u.own_uncertain_tokens - u.sign * u.uncertain_tokens) as uncertain_tokens,
      sum(u.own_uncertain_iterations - u.sign * u.uncertain_iterations) as uncertain_iterations,
      sum(u.own_uncertain_usd - u.sign * u.uncertain_usd) as uncertain_usd,
      sum(u.own_tokens_unknown - u.sign * u.tokens_unknown) as tokens_unknown,
      sum(u.own_usd_unknown - u.sign * u.usd_unknown) as usd_unknown
    from running u
    group by u.node_id
  )
  select
    t.node_id, t.parent_node_id, t.depth, t.path, t.label, t.runtime, t.status,
    w.own_iterations as own_iterations, w.own_input_tokens as own_input_tokens, w.own_output_tokens as own_output_tokens,
    w.own_cache_read_tokens as own_cache_read_tokens, w.own_cache_write_tokens as own_cache_write_tokens,
    w.own_reasoning_tokens as own_reasoning_tokens, w.own_charged_tokens as own_charged_tokens, trim_scale(w.own_usd) as own_usd,
    w.own_ms as own_ms, w.own_uncertain_tokens as own_uncertain_tokens, w.own_uncertain_iterations as own_uncertain_iterations,
    trim_scale(w.own_uncertain_usd) as own_uncertain_usd,
    w.iterations as rolled_up_iterations, w.input_tokens as rolled_up_input_tokens, w.output_tokens as rolled_up_output_tokens,
    w.cache_read_tokens as rolled_up_cache_read_tokens, w.cache_write_tokens as rolled_up_cache_write_tokens,
    w.reasoning_tokens as rolled_up_reasoning_tokens, w.charged_tokens as rolled_up_charged_tokens, trim_scale(w.usd) as rolled_up_usd,
    w.ms as rolled_up_ms, w.uncertain_tokens as rolled_up_uncertain_tokens, w.uncertain_iterations as rolled_up_uncertain_iterations,
    trim_scale(w.uncertain_usd) as rolled_up_uncertain_usd,
    w.tokens_unknown = 0 as rolled_up_tokens_known, w.usd_unknown = 0 as rolled_up_usd_known
  from tree t
  join rolled w on w.node_id = t.node_id
) x;
comment on view ledger.trajectory is 'The tree of each run with own and rolled-up spend.';
comment on column ledger.trajectory.parent_node_id is 'null: at the top';
comment on column ledger.trajectory.runtime is 'null: not stated';
revoke all on ledger.trajectory from public;
grant select on ledger.trajectory to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/trajectory.sql
--! Included views/audit/children.sql
-- Invariant 7: an open child pool's total is its parent's hold for its node; a closed one's is what the parent committed for it.
-- Looked up pool by pool and grouped: joined freely, a database without statistics pairs every pool with every other.
create or replace view ledger_private.audit_children
with (security_invoker = true)
as
select
  x.tenant_id, x.pool_id, 'child-total-differs-from-parent' as rule,
  jsonb_build_object(
    'channel', x.channel, 'state', max(x.state), 'total', trim_scale(max(x.total)), 'hold', max(x.hold),
    'committed_by_parent', trim_scale(coalesce(sum(x.spent), 0))
  ) as detail
from (
  select
    p.tenant_id, p.parent_pool_id, p.pool_id, c.channel, p.state, c.total, c.free, u.total is not null as capped_above,
    coalesce((n.hold -> c.channel)::numeric, 0) as hold, null::numeric as spent
  from ledger_private.pools p
  cross join lateral (
    select k.* from ledger_private.channels k where k.tenant_id = p.tenant_id and k.pool_id = p.pool_id and k.total is not null
    offset 0
  ) c
  cross join lateral (
    select k.total from ledger_private.channels k
    where k.tenant_id = p.tenant_id and k.pool_id = p.parent_pool_id and k.channel = c.channel limit 1
  ) u
  cross join lateral (
    select k.hold from ledger_private.nodes k where k.tenant_id = p.tenant_id and k.node_id = p.pool_id limit 1
  ) n
  where p.parent_pool_id is not null
  union all
  select j.tenant_id, j.pool_id, j.node_id, m.channel, null, null, null, null, null, m.spent
  from ledger_private.journal j
  cross join lateral (
    select 'tokens' as channel, coalesce(j.tokens_spent, 0) as spent
    union all select 'iterations', coalesce(j.iterations_spent, 0)
    union all select 'usd', coalesce(j.usd_spent, 0)
    union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
  ) m
  where j.source_pool_id = j.node_id and j.kind in ('settled', 'cancelled', 'corrected')
) x
group by x.tenant_id, x.parent_pool_id, x.pool_id, x.channel
having case max(x.state)
  when 'closed' then max(x.total) <> coalesce(sum(x.spent), 0) or max(x.free) <> 0
  else bool_or(x.capped_above) and max(x.total) <> max(x.hold)
end
union all
select c.tenant_id, c.pool_id, 'closed-pool-has-holds', jsonb_build_object('channel', c.channel, 'reserved', trim_scale(c.reserved))
from ledger_private.pools p
cross join lateral (
  select k.* from ledger_private.channels k where k.tenant_id = p.tenant_id and k.pool_id = p.pool_id and k.reserved <> 0
  offset 0
) c
where p.state = 'closed';
comment on view ledger_private.audit_children is
  'Invariant 7: the total of an open child pool is its hold in the parent, of a closed one what the parent committed for it.';
revoke all on ledger_private.audit_children from public;
grant select on ledger_private.audit_children to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/children.sql
--! Included views/audit/draws.sql
-- What a payer drew is what was spent below on its account, event by event and once. Begins at the channels that draw: most pools have none.
create or replace view ledger_private.audit_draws
with (security_invoker = true)
as
select
  d.tenant_id, d.pool_id, 'drawn-differs-from-source' as rule,
  jsonb_build_object(
    'source_pool_id', d.source_pool_id, 'source_seq', d.source_seq, 'channel', d.channel, 'drawn', sum(d.drawn), 'spent', sum(d.spent)
  ) as detail
from (
  select j.tenant_id, c.payer_pool_id as pool_id, j.pool_id as source_pool_id, j.seq as source_seq, m.channel, 0 as rows, 0 as drawn, m.spent
  from ledger_private.channels c
  cross join lateral (
    select k.* from ledger_private.journal k where k.tenant_id = c.tenant_id and k.pool_id = c.pool_id
    offset 0
  ) j
  cross join lateral (
    select 'usd' as channel, coalesce(j.usd_spent, 0) as spent
    union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
  ) m
  left join lateral (
    select k.pool_id, k.payer_pool_id from ledger_private.channels k
    where k.tenant_id = c.tenant_id and k.pool_id = j.source_pool_id and k.channel = c.channel limit 1
  ) b on true
  where c.payer_pool_id <> c.pool_id and m.channel = c.channel and (j.source_pool_id is null or b.payer_pool_id = b.pool_id)
  union all
  select j.tenant_id, j.pool_id, j.source_pool_id, j.source_seq, m.channel, 1, m.spent, 0
  from ledger_private.journal j
  cross join lateral (
    select 'usd' as channel, coalesce(j.usd_spent, 0) as spent
    union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
  ) m
  where j.kind = 'drawn'
) d
group by d.tenant_id, d.pool_id, d.source_pool_id, d.source_seq, d.channel
having sum(d.drawn) <> sum(d.spent) or sum(d.rows) > 1
union all
select p.tenant_id, p.pool_id, 'payer-links-differ', jsonb_build_object('pool', p.payers, 'channels', c.payers)
from ledger_private.pools p
cross join lateral (
  select array_agg(distinct c.payer_pool_id) filter (where c.payer_pool_id <> c.pool_id) as payers
  from ledger_private.channels c
  where c.tenant_id = p.tenant_id and c.pool_id = p.pool_id
) c
where p.payers is distinct from c.payers
union all
select c.tenant_id, c.pool_id, 'payer-caps-nothing', jsonb_build_object('channel', c.channel, 'payer_pool_id', c.payer_pool_id)
from ledger_private.channels c
cross join lateral (
  select k.total from ledger_private.channels k where k.tenant_id = c.tenant_id and k.pool_id = c.payer_pool_id and k.channel = c.channel limit 1
) q
where q.total is null;
comment on view ledger_private.audit_draws is 'What a payer drew is what was spent below on its account, event by event.';
revoke all on ledger_private.audit_draws from public;
grant select on ledger_private.audit_draws to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/draws.sql
--! Included views/audit/endings.sql
-- Invariant 4: every ended child has its one terminal row in its parent, delivered rows are counted, and rows name nodes and operations that
-- exist. Looked up by key, row by row: joined freely, a database without statistics pairs every row with every other.
create or replace view ledger_private.audit_endings
with (security_invoker = true)
as
select
  n.tenant_id, n.parent_node_id as pool_id, 'ending-without-terminal-row' as rule,
  jsonb_build_object('node_id', n.node_id, 'status', n.status, 'terminal_seq', n.terminal_seq) as detail
from ledger_private.nodes n
left join lateral (
  select k.seq, k.node_id, k.kind from ledger_private.journal k
  where k.tenant_id = n.tenant_id and k.pool_id = n.parent_node_id and k.seq = n.terminal_seq limit 1
) j on j.node_id = n.node_id and j.kind in ('settled', 'cancelled', 'expired')
where n.parent_node_id is not null and (n.ended_at is not null) <> (j.seq is not null)
union all
select j.tenant_id, j.pool_id, 'journal-of-no-node', jsonb_build_object('seq', j.seq, 'node_id', j.node_id)
from ledger_private.journal j
left join lateral (
  select k.node_id from ledger_private.nodes k where k.tenant_id = j.tenant_id and k.node_id = j.node_id limit 1
) n on true
where j.node_id is not null and n.node_id is null
union all
select
  h.tenant_id, h.pool_id, 'deliveries-miscounted',
  jsonb_build_object(
    'undelivered', h.undelivered, 'waiting', coalesce(t.waiting, 0), 'next_cursor', h.next_cursor, 'delivered', coalesce(t.delivered, 0)
  )
from ledger_private.pool_heads h
left join lateral (
  select
    count(*) filter (where j.kind <> 'delivered' and j.seq > h.delivered_seq) as waiting,
    count(*) filter (where j.kind = 'delivered') as delivered
  from ledger_private.journal j
  where j.tenant_id = h.tenant_id and j.pool_id = h.pool_id and j.kind in ('settled', 'cancelled', 'expired', 'delivered')
) t on true
where h.undelivered <> t.waiting or h.next_cursor <> t.delivered
union all
select o.tenant_id, o.pool_id, 'operation-without-row', jsonb_build_object('operation_id', o.operation_id, 'seq', o.seq)
from ledger_private.operations o
left join lateral (
  select k.operation_id from ledger_private.journal k
  where k.tenant_id = o.tenant_id and k.pool_id = o.pool_id and k.seq = o.seq limit 1
) j on true
where o.seq is not null and j.operation_id is distinct from o.operation_id;
comment on view ledger_private.audit_endings is
  'Invariant 4: every ended child has its one terminal row in its parent, deliveries are counted, rows name what exists.';
revoke all on ledger_private.audit_endings from public;
grant select on ledger_private.audit_endings to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/endings.sql
--! Included views/audit/sequence.sql
-- Invariant 5: seq is dense per pool, and the head knows the last one. Grouped, not joined: also quick without statistics.
create or replace view ledger_private.audit_sequence
with (security_invoker = true)
as
select
  x.tenant_id, x.pool_id, case when max(x.head) is null then 'journal-of-no-pool' else 'seq-not-dense' end as rule,
  case
    when max(x.head) is null then jsonb_build_object('rows', count(x.seq))
    else jsonb_build_object('seq', max(x.head), 'rows', count(x.seq), 'first', min(x.seq), 'last', max(x.seq))
  end as detail
from (
  select h.tenant_id, h.pool_id, h.seq as head, null::bigint as seq from ledger_private.pool_heads h
  union all
  select j.tenant_id, j.pool_id, null, j.seq from ledger_private.journal j
) x
group by x.tenant_id, x.pool_id
having (max(x.head), max(x.head), 1) is distinct from (count(x.seq), max(x.seq), min(x.seq));
comment on view ledger_private.audit_sequence is 'Invariant 5: seq is dense per pool, and the head knows the last one.';
revoke all on ledger_private.audit_sequence from public;
grant select on ledger_private.audit_sequence to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/sequence.sql
--! Included views/audit/usage.sql
-- What an event consumed is what it moved: own usage equals own postings, corrections included.
create or replace view ledger_private.audit_usage
with (security_invoker = true)
as
select
  j.tenant_id, j.pool_id, 'usage-differs-from-posting' as rule,
  jsonb_build_object('seq', j.seq, 'kind', j.kind) as detail
from ledger_private.journal j
where j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
  and (
    coalesce(j.charged_tokens, 0) <> coalesce(j.tokens_spent, 0) or coalesce(j.iterations, 0) <> coalesce(j.iterations_spent, 0)
    or coalesce(j.usd, 0) <> coalesce(j.usd_spent, 0) or coalesce(j.uncertain_usd, 0) <> coalesce(j.usd_uncertain, 0)
    or coalesce(j.uncertain_tokens, 0) <> coalesce(j.tokens_uncertain, 0)
  )
union all
select j.tenant_id, j.pool_id, 'drawn-row-spends', jsonb_build_object('seq', j.seq)
from ledger_private.journal j
where j.kind = 'drawn' and j.iterations is not null
union all
select l.tenant_id, l.pool_id, 'difference-of-no-correction', jsonb_build_object('seq', l.seq, 'line', l.line)
from ledger_private.usage_lines l
join ledger_private.journal j on j.tenant_id = l.tenant_id and j.pool_id = l.pool_id and j.seq = l.seq
where l.correction and j.kind <> 'corrected'
union all
select t.tenant_id, null, 'frozen-pools-miscounted', jsonb_build_object('counted', t.frozen_pools, 'frozen', coalesce(p.frozen, 0))
from ledger_private.tenants t
left join (
  select p.tenant_id, count(*) as frozen from ledger_private.pools p where p.state = 'frozen' group by p.tenant_id
) p on p.tenant_id = t.tenant_id
where t.frozen_pools <> coalesce(p.frozen, 0);
comment on view ledger_private.audit_usage is 'What an event consumed is what it moved: own usage equals own postings, corrections included.';
revoke all on ledger_private.audit_usage from public;
grant select on ledger_private.audit_usage to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/usage.sql
--! Included views/audit.sql
-- What is wrong with the books: zero rows = healthy. Each part proves its invariants from the journal.
create or replace view ledger.audit
with (security_invoker = true)
as
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_balances a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_holds a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_sequence a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_endings a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_usage a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_children a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_draws a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_runs a;
comment on view ledger.audit is 'What is wrong: tenant, pool, rule, detail. Zero rows = healthy.';
comment on column ledger.audit.pool_id is 'null: of the tenant as a whole';
revoke all on ledger.audit from public;
grant select on ledger.audit to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit.sql

revoke all on all functions in schema ledger_private from public;

reset role;
