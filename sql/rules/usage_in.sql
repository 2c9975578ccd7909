-- The usage a journal row carries; what it left out as nothing is 0 again (usd stays null where it is unknown).
create or replace function ledger_private.usage_in(p_event ledger_private.journal)
returns ledger_private.usage
language sql
immutable
parallel safe
return row(
  coalesce(p_event.iterations, 0), coalesce(p_event.input_tokens, 0), coalesce(p_event.output_tokens, 0),
  coalesce(p_event.cache_read_tokens, 0), coalesce(p_event.cache_write_tokens, 0), coalesce(p_event.reasoning_tokens, 0),
  coalesce(p_event.charged_tokens, 0), p_event.usd, coalesce(p_event.ms, 0),
  coalesce(p_event.uncertain_tokens, 0), coalesce(p_event.uncertain_iterations, 0), coalesce(p_event.uncertain_usd, 0),
  p_event.tokens_known, p_event.usd_known, p_event.resources,
  coalesce(p_event.tokens_unknown, 0), coalesce(p_event.iterations_unknown, 0), coalesce(p_event.usd_unknown, 0), coalesce(p_event.usd_seals, 0),
  coalesce(p_event.cache_write_1h_tokens, 0)
)::ledger_private.usage;
