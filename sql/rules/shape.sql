-- The keys of an operation (besides those of 'any'), of a spend, a usage line, a price, a tool call and a tool's result: name -> kind
-- (ledger_private.fits), 'spend', or the shape of an object; "!" lists the required ones, "*" stands for any other channel name. Null for an
-- operation that does not exist.
-- 'call' is a dispatch that names a pool: a driver's own call.
create or replace function ledger_private.shape(p_op text)
returns jsonb
language sql
immutable
parallel safe
return case p_op
  when 'any' then '{
    "op": "id", "operation_id": "id", "effective_at": "instant", "tags": "tags"
  }'::jsonb
  when 'spend' then '{
    "!": ["iterations", "input_tokens", "output_tokens"],
    "iterations": "count", "input_tokens": "count", "output_tokens": "count", "cache_read_tokens": "count", "cache_write_tokens": "count",
    "cache_write_1h_tokens": "count", "reasoning_tokens": "count", "usd": "money", "usd_known": "flag", "tokens_known": "flag", "ms": "count",
    "resources": {"!": [], "tokens": "own", "iterations": "own", "usd": "own", "*": {"!": ["amount"], "amount": "money"}}
  }'::jsonb
  when 'line' then '{
    "!": [], "provider": "id", "model": "id", "provider_request_id": "id",
    "iterations": "count", "input_tokens": "count", "output_tokens": "count", "cache_read_tokens": "count", "cache_write_tokens": "count",
    "cache_write_1h_tokens": "count", "reasoning_tokens": "count", "usd": "money", "usd_known": "flag", "tokens_known": "flag", "ms": "count",
    "resources": {"!": [], "tokens": "own", "iterations": "own", "usd": "own", "*": {"!": ["amount"], "amount": "money"}}
  }'::jsonb
  when 'price' then '{
    "!": ["provider", "model", "token_class", "usd_per_million"],
    "provider": "id", "model": "id", "match": "match", "token_class": "token_class", "usd_per_million": "rate",
    "above_input_tokens": "count", "valid_from": "instant", "valid_to": "instant", "source": "id"
  }'::jsonb
  when 'tool_call' then '{
    "!": ["name"],
    "name": "id", "id": "id", "arguments": "digest", "status": "tool_status"
  }'::jsonb
  when 'tool_result' then '{
    "!": ["id", "status"],
    "id": "id", "status": "tool_status"
  }'::jsonb
  when 'meter' then '{
    "!": ["pool_id", "spend"],
    "pool_id": "id", "turn": "small", "tool_calls": "tool_calls", "tool_results": "tool_results", "detail": "json",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'spawn' then '{
    "!": ["pool_id", "label", "budget"],
    "pool_id": "id", "node_id": "id", "label": "id", "runtime": "id", "key": "id", "task_ref": "digest", "lease_ms": "duration_ms", "driver": "flag",
    "budget": {"!": [], "tokens": "count", "iterations": "count", "usd": "money", "*": "money"}
  }'::jsonb
  when 'settle' then '{
    "!": ["node_id", "outcome"],
    "node_id": "id", "outcome": "outcome", "verdict": "json", "out_ref": "id", "reason": "text", "infra": "flag",
    "tool_calls": "tool_calls", "tool_results": "tool_results", "detail": "json",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'cancel' then '{
    "!": ["node_id", "reason"],
    "node_id": "id", "reason": "text", "tool_calls": "tool_calls", "tool_results": "tool_results", "detail": "json",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'correct' then '{
    "!": ["of", "spend", "reason"],
    "of": "id", "pool_id": "id", "reason": "text", "tool_calls": "tool_calls", "lines": "lines", "spend": "spend"
  }'::jsonb
  when 'dispatch' then '{
    "!": ["node_id"],
    "node_id": "id"
  }'::jsonb
  when 'call' then '{
    "!": ["pool_id", "meter_id"],
    "pool_id": "id", "meter_id": "id", "turn": "small", "provider": "id", "model": "id", "purpose": "purpose", "detail": "json"
  }'::jsonb
  when 'extend' then '{
    "!": ["node_id", "lease_ms"],
    "node_id": "id", "lease_ms": "duration_ms"
  }'::jsonb
  when 'deliver' then '{
    "!": ["pool_id"],
    "pool_id": "id"
  }'::jsonb
  when 'open_pool' then '{
    "!": ["pool_id", "channels"],
    "pool_id": "id", "deadline_ms": "duration_ms", "max_depth": "small", "unknown_usd": "unknown_usd", "token_charge": "token_charge",
    "parent_pool_id": "id",
    "channels": {
      "!": [], "tokens": {"!": [], "total": "count", "unit": "id"}, "iterations": {"!": [], "total": "count", "unit": "id"},
      "*": {"!": [], "total": "money", "unit": "id"}
    },
    "run": {"!": ["label"], "label": "id", "experiment": "id", "arm": "id", "task": "id", "replicate": "replicate"}
  }'::jsonb
  when 'fund' then '{
    "!": ["pool_id", "amounts"],
    "pool_id": "id", "amounts": {"!": [], "tokens": "whole", "iterations": "whole", "*": "change"}
  }'::jsonb
  when 'expire' then '{
    "!": [],
    "pool_id": "id"
  }'::jsonb
  when 'freeze' then '{
    "!": ["pool_id"],
    "pool_id": "id", "reason": "text"
  }'::jsonb
  when 'thaw' then '{
    "!": ["pool_id"],
    "pool_id": "id", "reason": "text"
  }'::jsonb
  when 'close_pool' then '{
    "!": ["pool_id"],
    "pool_id": "id"
  }'::jsonb
  when 'judge' then '{
    "!": ["run_id", "resolved"],
    "run_id": "id", "resolved": "flag", "score": "score", "infra": "flag"
  }'::jsonb
  when 'plan' then '{
    "!": ["pool_id", "experiment", "plan_ref"],
    "pool_id": "id", "experiment": "id", "plan_ref": "id"
  }'::jsonb
end;
