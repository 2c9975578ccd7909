-- What a usage charges per channel, for answers: {channel: amount}, nothing for zero.
create or replace function ledger_private.charged_json(p_usage ledger_private.usage)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return jsonb_strip_nulls(
    jsonb_build_object(
      'tokens', ledger_private.text_of(nullif(p_usage.charged_tokens, 0)),
      'iterations', ledger_private.text_of(nullif(p_usage.iterations, 0)),
      'usd', ledger_private.text_of(nullif(p_usage.usd, 0))
    )
    || coalesce(
      (
        select jsonb_object_agg(r.key, ledger_private.text_of(nullif(ledger_private.amount(r.value -> 'amount'), 0)))
        from jsonb_each(p_usage.resources) r
      ),
      '{}'
    )
  );
end;
$$;
