-- What an ending charged per channel, for answers: {channel: amount} of a spend as answers show it (ledger_private.spend_json), nothing for zero.
create or replace function ledger_private.charged_json(p_spend jsonb)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return jsonb_strip_nulls(
    jsonb_build_object(
      'tokens', nullif(p_spend ->> 'charged_tokens', '0'),
      'iterations', nullif(p_spend ->> 'iterations', '0'),
      'usd', nullif(p_spend ->> 'usd', '0')
    )
    || coalesce((select jsonb_object_agg(r.key, nullif(r.value ->> 'amount', '0')) from jsonb_each(p_spend -> 'resources') r), '{}')
  );
end;
$$;
