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
        l.usd, l.ms, 0, 0, l.uncertain_usd, l.tokens_known, l.usd_known, l.resources, 0, 0, 0, 0,
        l.cache_write_1h_tokens
      )::ledger_private.usage
    from (
      select p_event.seq
      union all
      select j.seq from ledger_private.history j
      where j.tenant_id = p_event.tenant_id and j.pool_id = p_event.pool_id and j.corrects_seq = p_event.seq
    ) e
    cross join lateral (
      select k.* from ledger_private.usage_history k
      where k.tenant_id = p_event.tenant_id and k.pool_id = p_event.pool_id and k.seq = e.seq
      offset 0
    ) l;
end;
$$;
