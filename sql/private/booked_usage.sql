-- What is booked now for an event: its row and the corrections of it added up. Flags are those of the last one.
create or replace function ledger_private.booked_usage(p_event ledger_private.journal)
returns ledger_private.usage
language plpgsql
stable
as $$
declare
  v ledger_private.usage := ledger_private.usage_in(p_event);
  v_more ledger_private.usage;
begin
  if not exists (
    select from ledger_private.history j
    where j.tenant_id = p_event.tenant_id and j.pool_id = p_event.pool_id and j.corrects_seq = p_event.seq
  ) then
    return v;
  end if;
  select
    sum(j.iterations), sum(j.input_tokens), sum(j.output_tokens), coalesce(sum(j.cache_read_tokens), 0), coalesce(sum(j.cache_write_tokens), 0),
    coalesce(sum(j.reasoning_tokens), 0), sum(j.charged_tokens), sum(j.usd), coalesce(sum(j.ms), 0), coalesce(sum(j.uncertain_tokens), 0),
    coalesce(sum(j.uncertain_iterations), 0), coalesce(sum(j.uncertain_usd), 0),
    (array_agg(j.tokens_known order by j.seq desc))[1], (array_agg(j.usd_known order by j.seq desc))[1], null,
    coalesce(sum(j.tokens_unknown), 0), coalesce(sum(j.iterations_unknown), 0), coalesce(sum(j.usd_unknown), 0), coalesce(sum(j.usd_seals), 0),
    coalesce(sum(j.cache_write_1h_tokens), 0)
  into v_more
  from ledger_private.history j
  where j.tenant_id = p_event.tenant_id and j.pool_id = p_event.pool_id and j.corrects_seq = p_event.seq;

  return row(
    v.iterations + v_more.iterations, v.input_tokens + v_more.input_tokens, v.output_tokens + v_more.output_tokens,
    v.cache_read_tokens + v_more.cache_read_tokens, v.cache_write_tokens + v_more.cache_write_tokens,
    v.reasoning_tokens + v_more.reasoning_tokens, v.charged_tokens + v_more.charged_tokens, coalesce(v.usd, 0) + coalesce(v_more.usd, 0),
    v.ms + v_more.ms, v.uncertain_tokens + v_more.uncertain_tokens, v.uncertain_iterations + v_more.uncertain_iterations,
    v.uncertain_usd + v_more.uncertain_usd, v_more.tokens_known, v_more.usd_known, ledger_private.booked_resources(p_event),
    v.tokens_unknown + v_more.tokens_unknown, v.iterations_unknown + v_more.iterations_unknown, v.usd_unknown + v_more.usd_unknown,
    v.usd_seals + v_more.usd_seals, v.cache_write_1h_tokens + v_more.cache_write_1h_tokens
  )::ledger_private.usage;
end;
$$;
