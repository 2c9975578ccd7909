-- Whether the parts of a spend that is plain in form (ledger_private.plain_spend) are within their whole, as ledger_private.misfit_of_spend would
-- have it. Counts that were not stated may be null.
create or replace function ledger_private.plain_amounts(
  p_input_tokens numeric,
  p_output_tokens numeric,
  p_cache_read_tokens numeric,
  p_cache_write_tokens numeric,
  p_cache_write_hour_tokens numeric,
  p_reasoning_tokens numeric
)
returns boolean
language sql
immutable
parallel safe
return coalesce(p_cache_read_tokens, 0) + coalesce(p_cache_write_tokens, 0) <= p_input_tokens
  and coalesce(p_cache_write_hour_tokens, 0) <= coalesce(p_cache_write_tokens, 0)
  and coalesce(p_reasoning_tokens, 0) <= p_output_tokens;
