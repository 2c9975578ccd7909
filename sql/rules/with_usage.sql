-- A journal row with the usage of its event written in.
create or replace function ledger_private.with_usage(
  p_event ledger_private.journal,
  p_usage ledger_private.usage
)
returns ledger_private.journal
language plpgsql
immutable
parallel safe
as $$
begin
  p_event.iterations := p_usage.iterations;
  p_event.input_tokens := p_usage.input_tokens;
  p_event.output_tokens := p_usage.output_tokens;
  p_event.cache_read_tokens := nullif(p_usage.cache_read_tokens, 0);
  p_event.cache_write_tokens := nullif(p_usage.cache_write_tokens, 0);
  p_event.cache_write_1h_tokens := nullif(p_usage.cache_write_1h_tokens, 0);
  p_event.reasoning_tokens := nullif(p_usage.reasoning_tokens, 0);
  p_event.charged_tokens := p_usage.charged_tokens;
  p_event.usd := p_usage.usd;
  p_event.ms := nullif(p_usage.ms, 0);
  p_event.uncertain_tokens := nullif(p_usage.uncertain_tokens, 0);
  p_event.uncertain_iterations := nullif(p_usage.uncertain_iterations, 0);
  p_event.uncertain_usd := nullif(p_usage.uncertain_usd, 0);
  p_event.tokens_known := p_usage.tokens_known;
  p_event.usd_known := p_usage.usd_known;
  p_event.resources := p_usage.resources;
  return p_event;
end;
$$;
