-- The usage that a journal row records. Parts that were zero are null there.
create or replace function ledger_private.usage_booked(p_event ledger_private.journal)
returns ledger_private.usage
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.usage;
begin
  v.iterations := p_event.iterations;
  v.input_tokens := p_event.input_tokens;
  v.output_tokens := p_event.output_tokens;
  v.cache_read_tokens := coalesce(p_event.cache_read_tokens, 0);
  v.cache_write_tokens := coalesce(p_event.cache_write_tokens, 0);
  v.cache_write_1h_tokens := coalesce(p_event.cache_write_1h_tokens, 0);
  v.reasoning_tokens := coalesce(p_event.reasoning_tokens, 0);
  v.charged_tokens := p_event.charged_tokens;
  v.usd := p_event.usd;
  v.ms := coalesce(p_event.ms, 0);
  v.tokens_known := p_event.tokens_known;
  v.usd_known := p_event.usd_known;
  v.resources := p_event.resources;
  return v;
end;
$$;
