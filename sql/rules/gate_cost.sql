-- A cost as a gate shows it on a channel: exact decimal text, for `all` one for each quantity. Null amounts are 0.
create or replace function ledger_private.gate_cost(
  p_channel text,
  p_tokens numeric,
  p_usd numeric,
  p_iterations numeric,
  p_ms numeric
)
returns jsonb
language sql
immutable
parallel safe
return case p_channel
  when 'tokens' then to_jsonb(trim_scale(coalesce(p_tokens, 0))::text)
  when 'usd' then to_jsonb(trim_scale(coalesce(p_usd, 0))::text)
  else jsonb_build_object(
    'tokens', trim_scale(coalesce(p_tokens, 0))::text, 'usd', trim_scale(coalesce(p_usd, 0))::text,
    'iterations', trim_scale(coalesce(p_iterations, 0))::text, 'ms', trim_scale(coalesce(p_ms, 0))::text
  )
end;
