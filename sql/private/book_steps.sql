-- Writes what steps say that hold their claims: the nodes they end or dispatch, and the journal, `drawn` rows included.
create or replace function ledger_private.book_steps(
  p_tenant_id text,
  p_steps ledger_private.step[],
  p_seqs bigint[],
  p_node_ids text[],
  p_drawn ledger_private.drawn[],
  p_at timestamptz
)
returns void
language plpgsql
as $$
begin
  if exists (select from unnest(p_steps) s where s.place is not null) then
    update ledger_private.nodes k
    set status = case s.op when 'settle' then s.operation ->> 'outcome' when 'cancel' then 'cancelled' else 'dispatched' end,
      dispatched_at = case when s.op = 'dispatch' then p_at else k.dispatched_at end,
      ended_at = case when s.op <> 'dispatch' then p_at end, terminal_seq = case when s.op <> 'dispatch' then p_seqs[s.n] end,
      verdict = s.operation -> 'verdict', out_ref = s.operation ->> 'out_ref', reason = s.operation ->> 'reason',
      infra = (s.operation -> 'infra')::boolean
    from unnest(p_steps) s
    where k.ctid = s.place;
  end if;
  if p_drawn is not null then
    insert into ledger_private.journal (
      tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, source_pool_id, source_seq,
      tokens_spent, tokens_unknown, iterations_spent, usd_spent, usd_uncertain, usd_unknown
    )
    select
      p_tenant_id, d.pool_id, d.seq, 'drawn', p_steps[d.n].operation_id, p_at, p_steps[d.n].effective_at, p.run_id, p_steps[d.n].node_id,
      p_steps[d.n].pool_id, p_seqs[d.n], nullif(d.tokens_spent, 0), nullif(d.tokens_unknown, 0), nullif(d.iterations_spent, 0),
      nullif(d.usd_spent, 0), nullif(d.usd_uncertain, 0), nullif(d.usd_unknown, 0)
    from unnest(p_drawn) d
    cross join lateral (
      select p.run_id from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = d.pool_id limit 1
    ) p;
  end if;
  insert into ledger_private.journal (
    tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, tags,
    provider, model, provider_request_id, purpose, turn, tool_calls, detail, outcome, verdict, out_ref, reason, infra,
    iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, charged_tokens,
    usd, ms, uncertain_usd, tokens_known, usd_known,
    tokens_held, tokens_spent, tokens_unknown, iterations_held, iterations_spent, usd_held, usd_spent, usd_uncertain, usd_unknown, usd_seals
  )
  select
    p_tenant_id, s.pool_id, p_seqs[s.n],
    case s.op when 'meter' then 'metered' when 'spawn' then 'spawned' when 'settle' then 'settled' when 'cancel' then 'cancelled' else 'dispatched'
    end,
    s.operation_id, p_at, s.effective_at, s.run_id, coalesce(p_node_ids[s.n], s.node_id), s.tags,
    s.operation ->> 'provider', s.operation ->> 'model', s.operation ->> 'provider_request_id', s.operation ->> 'purpose',
    (s.operation ->> 'turn')::integer, s.operation -> 'tool_calls', ledger_private.detail_of(s.priced),
    case s.op when 'cancel' then 'cancelled' else s.operation ->> 'outcome' end, s.operation -> 'verdict', s.operation ->> 'out_ref',
    s.operation ->> 'reason', (s.operation -> 'infra')::boolean,
    s.iterations, s.input_tokens, s.output_tokens, nullif(s.cache_read_tokens, 0), nullif(s.cache_write_tokens, 0),
    nullif(s.cache_write_1h_tokens, 0), nullif(s.reasoning_tokens, 0), s.charged_tokens, s.usd, nullif(s.ms, 0), nullif(s.uncertain_usd, 0),
    case when s.charged_tokens is not null then s.tokens_unknown = 0 end, case when s.charged_tokens is not null then s.usd_unknown = 0 end,
    nullif(s.tokens_held, 0), nullif(s.charged_tokens, 0), nullif(s.tokens_unknown, 0), nullif(s.iterations_held, 0), nullif(s.iterations, 0),
    nullif(s.usd_held, 0), nullif(s.usd, 0), nullif(s.uncertain_usd, 0), nullif(s.usd_unknown, 0),
    case when s.usd is null and s.usd_unknown > 0 then 1 end
  from unnest(p_steps) s;
end;
$$;
