-- ledger_private.fold_plainly for a batch of turns only, the commonest of all: no node to find, to make or to end, and no room to look for, which is
-- most of what the other says. The answers; null where one operation is not so, or it turns out late that an id is taken or a row is sealed.
create or replace function ledger_private.fold_turns(
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
begin
  with read as materialized (
    select
      r.n, r.operation, r.operation_id, r.digest, r.pool_id, r.provider, r.model, r.provider_request_id, r.purpose, r.own_tags, r.extras,
      r.iterations, r.input_tokens, r.output_tokens, r.cache_read_tokens, r.cache_write_tokens, r.cache_write_1h_tokens, r.reasoning_tokens,
      r.ms, r.usd,
      r.plain and r.op = 'meter' as plain
    from ledger_private.read_plainly(p_operations) r
  ),
  pools as materialized (
    select d.*, p.*, row_number() over () as place, bool_and(d.plain and p.own is true) over () as fits
    from (
      select
        r.pool_id, bool_and(r.plain) as plain, count(*) as rows, sum(r.input_tokens + r.output_tokens) as tokens,
        sum(r.cache_read_tokens) as cached, sum(r.iterations) as iterations, sum(r.usd) as usd
      from read r
      group by r.pool_id
    ) d
    left join lateral (
      select p.run_id, p.tags, p.token_charge = 'uncached' as cached_free, true as own
      from ledger_private.pools p
      where p.tenant_id = p_tenant_id and p.pool_id = d.pool_id and p.payers is null and p.state <> 'closed'
      limit 1
    ) p on true
  ),
  heads as (
    update ledger_private.pool_heads h
    set seq = h.seq + p.rows
    from pools p
    cross join lateral (
      select k.ctid as at, k as head from ledger_private.pool_heads k where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id limit 1
    ) k
    where p.fits and h.ctid = k.at
    returning p.place, k.head
  ),
  were as materialized (
    select array_agg((h.head).seq order by h.place) as seqs, array_agg(h.head) as heads from heads h
  ),
  steps as materialized (
    select
      r.*, p.run_id, w.seqs[p.place] + row_number() over (partition by p.place order by r.n) as seq,
      case when r.extras then coalesce((r.operation ->> 'effective_at')::timestamptz, p_at) else p_at end as effective_at,
      ledger_private.tags_of(p.tags, r.own_tags) as tags,
      r.input_tokens + r.output_tokens - case when p.cached_free then r.cache_read_tokens else 0 end as charged_tokens
    from pools p
    join read r on r.pool_id = p.pool_id
    cross join were w
    where p.fits
  ),
  balances as (
    update ledger_private.channels c
    set free = c.free - d.spent, committed = c.committed + d.spent
    from pools p
    cross join lateral (
      values ('tokens', p.tokens - case when p.cached_free then p.cached else 0 end), ('iterations', p.iterations), ('usd', p.usd)
    ) d (channel, spent)
    cross join lateral (
      select k.ctid as at, k as balance from ledger_private.channels k
      where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id and k.channel = d.channel
      limit 1
    ) k
    where p.fits and (select w.seqs is not null from were w) and c.ctid = k.at and d.spent <> 0
    returning k.balance, c.seals = 0 as suits
  ),
  claimed as (
    insert into ledger_private.operations (tenant_id, operation_id, digest, pool_id, seq, at)
    select p_tenant_id, s.operation_id, s.digest, s.pool_id, s.seq, p_at
    from steps s
    where s.effective_at <= p_at
    on conflict do nothing
    returning ctid as place
  ),
  verdict as materialized (
    select coalesce(b.suits, true) and c.count = jsonb_array_length(p_operations) as ok, b.rows, c.places as claimed
    from (select bool_and(b.suits) as suits, array_agg(b.balance) as rows from balances b) b
    cross join (select count(*) as count, array_agg(c.place) as places from claimed c) c
  ),
  booked as (
    insert into ledger_private.journal (
      tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, tags,
      provider, model, provider_request_id, purpose, turn, tool_calls, detail,
      iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, charged_tokens,
      usd, ms, tokens_known, usd_known, tokens_spent, iterations_spent, usd_spent
    )
    select
      p_tenant_id, s.pool_id, s.seq, 'metered', s.operation_id, p_at, s.effective_at, s.run_id, s.pool_id, s.tags,
      s.provider, s.model, s.provider_request_id, s.purpose, (s.operation -> 'turn')::integer,
      case when s.extras then s.operation -> 'tool_calls' end, case when s.extras then s.operation -> 'detail' end,
      s.iterations, s.input_tokens, s.output_tokens, nullif(s.cache_read_tokens, 0), nullif(s.cache_write_tokens, 0),
      nullif(s.cache_write_1h_tokens, 0), nullif(s.reasoning_tokens, 0), s.charged_tokens, s.usd, nullif(s.ms, 0), true, true,
      nullif(s.charged_tokens, 0), nullif(s.iterations, 0), nullif(s.usd, 0)
    from steps s
    where (select v.ok from verdict v)
  )
  select
    case when v.ok then (
      -- as text, which takes half of what jsonb_agg of jsonb_build_object does
      select '[' || string_agg(
        '{"position":' || s.n - 1 || ',"status":"ok","code":null,"result":{"pool_id":' || to_json(s.pool_id) || ',"seq":' || s.seq || '}}',
        ',' order by s.n
      ) || ']'
      from steps s
    ) end,
    w.heads, v.rows, v.claimed
  into v_answers, v_heads, v_rows, v_claimed
  from verdict v
  cross join were w;
  if v_answers is null and v_heads is not null then
    perform ledger_private.put_back(v_heads, v_rows, v_claimed, null);
  end if;
  return v_answers;
end;
$$;
