-- The rows of a well-formed price book, in the order they were sent: names in lower case, `exact` and `always` filled in.
create or replace function ledger_private.prices_in(
  p_tenant_id text,
  p_book text,
  p_prices jsonb
)
returns ledger_private.prices[]
language plpgsql
immutable
parallel safe
as $$
begin
  return array(
    select row(
      p_tenant_id, p_book, lower((e.price ->> 'provider') collate "C"), coalesce(e.price ->> 'match', 'exact'),
      lower((e.price ->> 'model') collate "C"), e.price ->> 'token_class',
      coalesce(ledger_private.amount(e.price -> 'above_input_tokens'), 0),
      coalesce(f.instant, '-infinity'), coalesce(t.instant, 'infinity'),
      ledger_private.amount(e.price -> 'usd_per_million'), e.price ->> 'source'
    )::ledger_private.prices
    from jsonb_array_elements(p_prices) with ordinality e (price, n)
    left join ledger_private.instants_in(p_prices) f on f.text = e.price ->> 'valid_from'
    left join ledger_private.instants_in(p_prices) t on t.text = e.price ->> 'valid_to'
    order by e.n
  );
end;
$$;
