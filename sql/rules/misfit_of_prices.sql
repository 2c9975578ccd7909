-- What well-formed prices still get wrong, by their place in the list: {path, rule} or null. A price holds for some time, and nothing has two.
create or replace function ledger_private.misfit_of_prices(p_prices ledger_private.prices[])
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return (
    select case
      when b.empty then jsonb_build_object('path', format('p_prices.%s.valid_to', b.place - 1), 'rule', 'must be after valid_from')
      else jsonb_build_object('path', format('p_prices.%s.model', b.place - 1), 'rule', format(
        'is priced twice: %s has the same provider, match, model, token_class, above_input_tokens and valid_from', b.first - 1
      ))
    end
    from (
      select p.ordinality as place, p.valid_from >= p.valid_to as empty, min(p.ordinality) over (
        partition by p.provider, p.match, p.model, p.token_class, p.above_input_tokens, p.valid_from
      ) as first
      from unnest(p_prices) with ordinality p
    ) b
    where b.empty or b.first < b.place
    order by b.place
    limit 1
  );
end;
$$;
