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
    cache_write_tokens, reasoning_tokens, charged_tokens, usd, ms, uncertain_usd, tokens_known, usd_known, resources, correction,
    cache_write_1h_tokens
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
      sum(d.sign * (d.line).cache_write_1h_tokens) as cache_write_1h_tokens,
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
    s.reasoning_tokens, s.charged_tokens, s.usd, s.ms, s.uncertain_usd, s.tokens_known, s.usd_known, r.resources, true,
    s.cache_write_1h_tokens
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
      abs(s.cache_write_1h_tokens), abs(s.reasoning_tokens), abs(s.charged_tokens), abs(s.usd), abs(s.ms), abs(s.uncertain_usd)) > 0;
end;
$$;
