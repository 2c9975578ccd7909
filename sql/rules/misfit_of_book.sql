-- What is malformed about a price book as it is sent to ledger.put_prices: {path, rule} or null.
create or replace function ledger_private.misfit_of_book(
  p_book text,
  p_prices jsonb,
  p_source text
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_shape constant jsonb := ledger_private.shape('price');
  v_none text[]; -- texts that are no instants
  v_price jsonb;
  v_index bigint;
  v_misfit jsonb;
begin
  if p_book is null or not ledger_private.fits('id', to_jsonb(p_book)) then
    return jsonb_build_object('path', 'p_book', 'rule', ledger_private.rule_text('id'));
  elsif p_source is not null and not ledger_private.fits('id', to_jsonb(p_source)) then
    return jsonb_build_object('path', 'p_source', 'rule', ledger_private.rule_text('id'));
  elsif jsonb_typeof(p_prices) is distinct from 'array' or jsonb_array_length(p_prices) not between 1 and 100000 then
    return jsonb_build_object('path', 'p_prices', 'rule', 'must be a list of 1 to 100000 prices');
  end if;
  v_none := array(select i.text from ledger_private.instants_in(p_prices) i where i.instant is null);
  for v_price, v_index in
    select e.price, e.n - 1 from jsonb_array_elements(p_prices) with ordinality e (price, n)
    where case
      when jsonb_typeof(e.price) = 'object'
        then not ledger_private.plain_price(e.price) or array[e.price ->> 'valid_from', e.price ->> 'valid_to'] && v_none
      else true
    end
    order by e.n
  loop
    v_misfit := ledger_private.misfit(v_price, v_shape, format('p_prices.%s.', v_index));
    if v_misfit is not null then
      return v_misfit;
    end if;
  end loop;
  return null;
end;
$$;
