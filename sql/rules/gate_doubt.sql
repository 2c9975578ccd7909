-- What of an arm's cost on a channel rests on no receipt, as a gate shows it: estimated, the part charged without one; unknown_events, events of
-- unknown usage. Null is 0; of `all` nothing is said.
create or replace function ledger_private.gate_doubt(
  p_channel text,
  p_tokens_estimated numeric,
  p_tokens_unknown numeric,
  p_usd_estimated numeric,
  p_usd_unknown numeric
)
returns jsonb
language sql
immutable
parallel safe
return case p_channel
  when 'tokens' then jsonb_build_object(
    'estimated', trim_scale(coalesce(p_tokens_estimated, 0))::text, 'unknown_events', coalesce(p_tokens_unknown, 0)
  )
  when 'usd' then jsonb_build_object(
    'estimated', trim_scale(coalesce(p_usd_estimated, 0))::text, 'unknown_events', coalesce(p_usd_unknown, 0)
  )
  else '{}'
end;
