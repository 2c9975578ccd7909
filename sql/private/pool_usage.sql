-- Everything a pool's journal has booked as usage: own inference, leaves, and the totals of drivers settled in it. `drawn` rows are balance
-- only. Known where no event of unknown usage is uncorrected in the pool.
create or replace function ledger_private.pool_usage(p_tenant_id text, p_pool_id text)
returns ledger_private.usage
language plpgsql
stable
as $$
declare
  v ledger_private.usage;
begin
  select
    coalesce(sum(j.iterations), 0), coalesce(sum(j.input_tokens), 0), coalesce(sum(j.output_tokens), 0), coalesce(sum(j.cache_read_tokens), 0),
    coalesce(sum(j.cache_write_tokens), 0), coalesce(sum(j.reasoning_tokens), 0), coalesce(sum(j.charged_tokens), 0), coalesce(sum(j.usd), 0),
    coalesce(sum(j.ms), 0), coalesce(sum(j.uncertain_tokens), 0), coalesce(sum(j.uncertain_iterations), 0), coalesce(sum(j.uncertain_usd), 0),
    coalesce(sum(j.cache_write_1h_tokens), 0)
  into
    v.iterations, v.input_tokens, v.output_tokens, v.cache_read_tokens, v.cache_write_tokens, v.reasoning_tokens, v.charged_tokens, v.usd,
    v.ms, v.uncertain_tokens, v.uncertain_iterations, v.uncertain_usd, v.cache_write_1h_tokens
  from ledger_private.journal j
  where j.tenant_id = p_tenant_id and j.pool_id = p_pool_id and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected');

  select
    jsonb_object_agg(c.channel, jsonb_strip_nulls(jsonb_build_object(
      'amount', trim_scale(c.committed), 'uncertain', nullif(trim_scale(c.uncertain), 0)
    )))
      filter (where c.channel not in ('tokens', 'iterations', 'usd') and c.committed > 0),
    bool_and(c.unknown = 0) filter (where c.channel = 'tokens'),
    bool_and(c.unknown = 0) filter (where c.channel = 'usd')
  into v.resources, v.tokens_known, v.usd_known
  from ledger_private.channels c
  where c.tenant_id = p_tenant_id and c.pool_id = p_pool_id;
  v.tokens_unknown := 0;
  v.iterations_unknown := 0;
  v.usd_unknown := 0;
  v.usd_seals := 0;
  return v;
end;
$$;
