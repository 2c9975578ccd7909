-- A spend or usage line with dollars worked out from a rate card: usd, an estimate (usd_known stays false); 0 of a free model is known. Null where
-- the card cannot tell. p_operation names the provider and the model where p_spend does not.
create or replace function ledger_private.with_estimate(
  p_spend jsonb,
  p_operation jsonb,
  p_card jsonb,
  p_at timestamptz
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_rates constant jsonb := nullif(p_card -> 'rates'
    -> coalesce(p_spend ->> 'provider', p_operation ->> 'provider') -> coalesce(p_spend ->> 'model', p_operation ->> 'model'), 'null');
  v_usage ledger_private.usage;
  v_price record;
begin
  if v_rates is null or p_spend -> 'tokens_known' = 'false' then
    return null;
  end if;
  v_usage := ledger_private.usage_of(p_spend, 'total');
  select * into v_price from ledger.price_of(
    v_rates, p_at, v_usage.input_tokens, v_usage.output_tokens, v_usage.cache_read_tokens, v_usage.cache_write_tokens,
    v_usage.cache_write_1h_tokens, v_usage.reasoning_tokens
  );
  if v_price.p_usd is null then
    return null;
  end if;
  return p_spend || jsonb_build_object('usd', v_price.p_usd, 'usd_known', v_price.p_free);
end;
$$;
