-- What must be added to the usage booked so far so that it becomes the true one: the usage of a `corrected` row. Its flags are the true ones.
create or replace function ledger_private.usage_diff(
  p_true ledger_private.usage,
  p_booked ledger_private.usage
)
returns ledger_private.usage
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.usage := p_true;
begin
  v.iterations := p_true.iterations - p_booked.iterations;
  v.input_tokens := p_true.input_tokens - p_booked.input_tokens;
  v.output_tokens := p_true.output_tokens - p_booked.output_tokens;
  v.cache_read_tokens := p_true.cache_read_tokens - p_booked.cache_read_tokens;
  v.cache_write_tokens := p_true.cache_write_tokens - p_booked.cache_write_tokens;
  v.cache_write_1h_tokens := p_true.cache_write_1h_tokens - p_booked.cache_write_1h_tokens;
  v.reasoning_tokens := p_true.reasoning_tokens - p_booked.reasoning_tokens;
  v.charged_tokens := p_true.charged_tokens - p_booked.charged_tokens;
  v.usd := coalesce(p_true.usd, 0) - coalesce(p_booked.usd, 0);
  v.ms := p_true.ms - p_booked.ms;
  v.uncertain_tokens := p_true.uncertain_tokens - p_booked.uncertain_tokens;
  v.uncertain_iterations := p_true.uncertain_iterations - p_booked.uncertain_iterations;
  v.uncertain_usd := p_true.uncertain_usd - p_booked.uncertain_usd;
  v.tokens_unknown := p_true.tokens_unknown - p_booked.tokens_unknown;
  v.iterations_unknown := p_true.iterations_unknown - p_booked.iterations_unknown;
  v.usd_unknown := p_true.usd_unknown - p_booked.usd_unknown;
  v.usd_seals := p_true.usd_seals - p_booked.usd_seals;
  v.resources := ledger_private.resources_sum(p_true.resources, p_booked.resources, -1);
  return v;
end;
$$;
