-- A batch of turns, spawns of leaves and their ends in their common form (ledger_private.read_plainly), in pools that pay for themselves, by one
-- statement: what most calls of a busy client are. The answers; null where one operation is not so, or it turns out late that an id is taken, a row
-- is sealed or there may be no room: then nothing of it stays, and ledger_private.fold says the same at length. A test books batches both ways.
-- It moves heads and balances before anybody has looked whether they may, as ledger_private.move_pools does and for the same reason: found by key,
-- written by place, row after row.
create or replace function ledger_private.fold_plainly(
  p_tenant_id text,
  p_operations jsonb,
  p_at timestamptz
)
returns jsonb
language plpgsql
as $$
declare
  v_answers jsonb;
  v_heads ledger_private.pool_heads[]; -- as they were
  v_rows ledger_private.channels[];
  v_claimed tid[];
  v_made tid[];
begin
  with read as materialized (
    select
      r.*, coalesce(k.parent_node_id, r.pool_id) as own_pool_id, k.node_place, k.hold, k.ceilings, k.node_tags,
      case when r.op = 'spawn' and r.plain then p_at + (r.operation ->> 'lease_ms')::double precision * interval '1 millisecond' end as lease_at
    from ledger_private.read_plainly(p_operations) r
    left join lateral (
      select n.ctid as node_place, n.parent_node_id, n.hold, n.budget as ceilings, n.tags as node_tags
      from ledger_private.nodes n
      where r.op = 'settle' and r.plain and n.tenant_id = p_tenant_id and n.node_id = r.node_id and not n.driver and n.ended_at is null
        and n.hold - '{tokens,iterations,usd}'::text[] = '{}'
      limit 1
    ) k on true
  ),
  pools as materialized (
    select
      d.*, p.*, row_number() over () as place,
      bool_and(d.plain and p.own is true and (d.spawned = 0 or (
        p.spawns and (select t.frozen_pools = 0 from ledger_private.tenants t where t.tenant_id = p_tenant_id)
      ))) over () as fits
    from (
      select
        r.own_pool_id as pool_id, bool_and(r.plain) and count(r.node_place) = count(distinct r.node_place) as plain, count(*) as rows,
        count(*) filter (where r.op = 'spawn') as spawned, count(r.node_place) as ended, min(r.lease_at) as lease_at
      from read r
      group by r.own_pool_id
    ) d
    left join lateral (
      select
        p.run_id, p.tags, p.token_charge = 'uncached' as cached_free, coalesce(p.paid_by, '{}') as caps,
        p.state = 'open' and (p_at >= p.deadline_at) is not true and coalesce(p.paid_by, '{}') - '{tokens,iterations,usd}'::text[] = '{}' as spawns,
        true as own
      from ledger_private.pools p
      where p.tenant_id = p_tenant_id and p.pool_id = d.pool_id and p.payers is null and p.state <> 'closed'
      limit 1
    ) p on true
  ),
  heads as (
    update ledger_private.pool_heads h
    set seq = h.seq + p.rows, open_holds = h.open_holds + p.spawned - p.ended, children = h.children + p.spawned,
      undelivered = h.undelivered + p.ended, next_lease_at = least(h.next_lease_at, p.lease_at)
    from pools p
    cross join lateral (
      select k.ctid as at, k as head from ledger_private.pool_heads k where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id limit 1
    ) k
    where p.fits and h.ctid = k.at
    returning p.place, k.head
  ),
  were as materialized (
    select
      array_agg((h.head).seq order by h.place) as seqs, array_agg((h.head).children order by h.place) as children, array_agg(h.head) as heads
    from heads h
  ),
  steps as materialized (
    select
      s.*, w.seqs[s.place] + s.nth as seq,
      case s.op when 'meter' then s.pool_id when 'settle' then s.named else coalesce(s.named, s.pool_id || ':s' || w.children[s.place] + s.child - 1)
      end as node_id
    from (
      select
        r.n, r.op, r.operation, r.operation_id, r.digest, r.node_id as named, r.label, r.runtime, r.provider, r.model, r.provider_request_id,
        r.purpose, r.out_ref, r.outcome, r.asked, r.ceilings, r.node_place, r.lease_at, r.iterations, r.input_tokens, r.output_tokens,
        r.cache_read_tokens, r.cache_write_tokens, r.cache_write_1h_tokens, r.reasoning_tokens, r.ms, r.usd, p.pool_id, p.run_id, p.place,
        row_number() over earlier as nth, count(*) filter (where r.op = 'spawn') over earlier as child,
        r.op = 'spawn' as spawns, r.op <> 'spawn' as spends,
        case when r.extras then coalesce((r.operation ->> 'effective_at')::timestamptz, p_at) else p_at end as effective_at,
        ledger_private.tags_of(case when r.op = 'settle' then r.node_tags else p.tags end, r.own_tags) as tags,
        case r.op when 'spawn' then case when p.caps ? 'tokens' then r.tokens else 0 end else -coalesce((r.hold ->> 'tokens')::numeric, 0) end
          as tokens_held,
        case r.op when 'spawn' then case when p.caps ? 'iterations' then r.iterations else 0 end else -coalesce((r.hold ->> 'iterations')::numeric, 0)
        end as iterations_held,
        case r.op when 'spawn' then case when p.caps ? 'usd' then r.usd else 0 end else -coalesce((r.hold ->> 'usd')::numeric, 0) end as usd_held,
        r.input_tokens + r.output_tokens - case when p.cached_free then r.cache_read_tokens else 0 end as charged_tokens,
        -- a ceiling for what the pool caps; dollars only where it caps them
        r.op <> 'spawn' or (
          r.node_id is distinct from p.pool_id and (r.asked ? 'tokens' or not p.caps ? 'tokens')
          and (r.asked ? 'iterations' or not p.caps ? 'iterations') and (r.usd = 0 or p.caps ? 'usd')
        ) as fits
      from pools p
      join read r on r.own_pool_id = p.pool_id
      where p.fits
      window earlier as (partition by p.place order by r.n rows between unbounded preceding and current row)
      offset 0
    ) s
    cross join were w
  ),
  balances as (
    update ledger_private.channels c
    set free = c.free - d.held - d.spent, reserved = c.reserved + d.held, committed = c.committed + d.spent
    from (
      select
        s.pool_id, count(*) filter (where s.spawns) as asks,
        sum(s.tokens_held) as tokens_held, sum(s.iterations_held) as iterations_held, sum(s.usd_held) as usd_held,
        sum(s.charged_tokens) filter (where s.spends) as tokens_spent, sum(s.iterations) filter (where s.spends) as iterations_spent,
        sum(s.usd) filter (where s.spends) as usd_spent,
        sum(s.tokens_held) filter (where s.spends) as tokens_back, sum(s.iterations_held) filter (where s.spends) as iterations_back,
        sum(s.usd_held) filter (where s.spends) as usd_back
      from steps s
      group by s.pool_id
    ) s
    cross join lateral (
      values
        ('tokens', s.tokens_held, coalesce(s.tokens_spent, 0), s.tokens_back),
        ('iterations', s.iterations_held, coalesce(s.iterations_spent, 0), s.iterations_back),
        ('usd', s.usd_held, coalesce(s.usd_spent, 0), s.usd_back)
    ) d (channel, held, spent, back)
    cross join lateral (
      select k.ctid as at, k as balance from ledger_private.channels k
      where k.tenant_id = p_tenant_id and k.pool_id = s.pool_id and k.channel = d.channel
      limit 1
    ) k
    where c.ctid = k.at and (s.asks > 0 or d.held <> 0 or d.spent <> 0)
    -- room for every child at its turn, whatever comes back in between
    returning k.balance, c.seals = 0 and (s.asks = 0 or (c.free + coalesce(d.back, 0) >= 0) is not false) as suits
  ),
  claimed as (
    insert into ledger_private.operations (tenant_id, operation_id, digest, pool_id, seq, at)
    select p_tenant_id, s.operation_id, s.digest, s.pool_id, s.seq, p_at
    from steps s
    where s.fits and s.effective_at <= p_at
    on conflict do nothing
    returning ctid as place
  ),
  made as (
    insert into ledger_private.nodes (
      tenant_id, node_id, parent_node_id, run_id, label, runtime, task_ref, budget, hold, tags, lease_at, spawned_at
    )
    select
      p_tenant_id, s.node_id, s.pool_id, s.run_id, s.label, s.runtime, s.operation ->> 'task_ref', s.asked,
      jsonb_strip_nulls(jsonb_build_object(
        'tokens', nullif(s.tokens_held, 0), 'iterations', nullif(s.iterations_held, 0), 'usd', nullif(s.usd_held, 0)
      )),
      s.tags, s.lease_at, p_at
    from steps s
    where s.spawns and s.fits and char_length(s.node_id) <= 200
    on conflict do nothing
    returning ctid as place
  ),
  verdict as materialized (
    select
      coalesce(b.suits, true) and c.count = jsonb_array_length(p_operations) and m.count = (select sum(p.spawned) from pools p) as ok,
      b.rows, c.places as claimed, m.places as made
    from (select bool_and(b.suits) as suits, array_agg(b.balance) as rows from balances b) b
    cross join (select count(*) as count, array_agg(c.place) as places from claimed c) c
    cross join (select count(*) as count, array_agg(m.place) as places from made m) m
  ),
  ended as (
    update ledger_private.nodes k
    set status = s.outcome, ended_at = p_at, terminal_seq = s.seq, verdict = s.operation -> 'verdict', out_ref = s.out_ref,
      reason = s.operation ->> 'reason', infra = (s.operation -> 'infra')::boolean
    from steps s
    where (select v.ok from verdict v) and k.ctid = s.node_place
  ),
  booked as (
    insert into ledger_private.journal (
      tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, tags,
      provider, model, provider_request_id, purpose, turn, tool_calls, detail, outcome, verdict, out_ref, reason, infra,
      iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, charged_tokens,
      usd, ms, tokens_known, usd_known,
      tokens_held, tokens_spent, iterations_held, iterations_spent, usd_held, usd_spent
    )
    select
      p_tenant_id, s.pool_id, s.seq, case s.op when 'meter' then 'metered' when 'spawn' then 'spawned' else 'settled' end,
      s.operation_id, p_at, s.effective_at, s.run_id, s.node_id, s.tags,
      s.provider, s.model, s.provider_request_id, s.purpose, (s.operation -> 'turn')::integer, s.operation -> 'tool_calls', s.operation -> 'detail',
      s.outcome, s.operation -> 'verdict', s.out_ref, s.operation ->> 'reason', (s.operation -> 'infra')::boolean,
      case when s.spends then s.iterations end, case when s.spends then s.input_tokens end, case when s.spends then s.output_tokens end,
      nullif(s.cache_read_tokens, 0), nullif(s.cache_write_tokens, 0), nullif(s.cache_write_1h_tokens, 0), nullif(s.reasoning_tokens, 0),
      case when s.spends then s.charged_tokens end, case when s.spends then s.usd end, nullif(s.ms, 0),
      case when s.spends then true end, case when s.spends then true end,
      nullif(s.tokens_held, 0), nullif(s.charged_tokens, 0), nullif(s.iterations_held, 0),
      case when s.spends then nullif(s.iterations, 0) end, nullif(s.usd_held, 0), case when s.spends then nullif(s.usd, 0) end
    from steps s
    where (select v.ok from verdict v)
  )
  select
    case when v.ok then (
      -- as text, which takes half of what jsonb_agg of jsonb_build_object does
      select '[' || string_agg(
        '{"position":' || s.n - 1 || ',"status":"ok","code":null,"result":{"pool_id":' || to_json(s.pool_id) || ',"seq":' || s.seq || case s.op
          when 'meter' then '}}'
          when 'spawn' then ',"node_id":' || to_json(s.node_id) || '}}'
          else ',' || ledger_private.ending_text(
            s.iterations, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens, s.cache_write_1h_tokens, s.reasoning_tokens,
            s.charged_tokens, s.usd, s.ms, s.ceilings
          ) || '}}'
        end,
        ',' order by s.n
      ) || ']'
      from steps s
    ) end,
    w.heads, v.rows, v.claimed, v.made
  into v_answers, v_heads, v_rows, v_claimed, v_made
  from verdict v
  cross join were w;
  if v_answers is null and v_heads is not null then
    perform ledger_private.put_back(v_heads, v_rows, v_claimed, v_made);
  end if;
  return v_answers;
end;
$$;
