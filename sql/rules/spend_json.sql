-- A usage as answers show it (result.spend): amounts as text, usd null where dollars are unknown and nothing was charged for them; one-hour
-- cache writes are shown where there are some. One expression, which the planner puts into the query that asks.
create or replace function ledger_private.spend_json(p_usage ledger_private.usage)
returns jsonb
language sql
stable
parallel safe
return case when p_usage.cache_write_1h_tokens > 0 then
    jsonb_build_object('cache_write_1h_tokens', ledger_private.text_of(p_usage.cache_write_1h_tokens)) else '{}'
  end || jsonb_build_object(
    'iterations', ledger_private.text_of(p_usage.iterations),
    'input_tokens', ledger_private.text_of(p_usage.input_tokens),
    'output_tokens', ledger_private.text_of(p_usage.output_tokens),
    'cache_read_tokens', ledger_private.text_of(p_usage.cache_read_tokens),
    'cache_write_tokens', ledger_private.text_of(p_usage.cache_write_tokens),
    'reasoning_tokens', ledger_private.text_of(p_usage.reasoning_tokens),
    'charged_tokens', ledger_private.text_of(p_usage.charged_tokens),
    'usd', ledger_private.text_of(p_usage.usd),
    'ms', ledger_private.text_of(p_usage.ms),
    'tokens_known', p_usage.tokens_known,
    'usd_known', p_usage.usd_known,
    'resources', coalesce(ledger_private.resources_json(p_usage.resources), '{}')
  );
