-- What operations can be priced from: {book, rates: {provider: {model: rates}}} of the tenant's current book, for the models that operations with
-- dollars to be worked out name (ledger_private.needs_price). Null where none needs a price, which costs no query, and where there is no book.
create or replace function ledger_private.rate_card(p_tenant_id text, p_operations jsonb[])
returns jsonb
language plpgsql
stable
as $$
declare
  v_needed boolean := false;
  v_operation jsonb;
  v_book text;
  v_line jsonb;
  v_provider text;
  v_model text;
  v_rates jsonb := '{}';
begin
  foreach v_operation in array p_operations loop
    v_needed := v_needed or ledger_private.needs_price(v_operation);
  end loop;
  if not v_needed then
    return null;
  end if;
  select t.price_book into v_book from ledger_private.tenants t where t.tenant_id = p_tenant_id;
  if v_book is null then
    return null;
  end if;
  foreach v_operation in array p_operations loop
    continue when not ledger_private.needs_price(v_operation);
    for v_line in select e.line from jsonb_array_elements(coalesce(v_operation -> 'lines', '[{}]')) e (line) loop
      v_provider := coalesce(v_line ->> 'provider', v_operation ->> 'provider');
      v_model := coalesce(v_line ->> 'model', v_operation ->> 'model');
      if v_provider is not null and v_model is not null and not coalesce(v_rates -> v_provider ? v_model, false) then
        v_rates := v_rates || jsonb_build_object(v_provider, coalesce(v_rates -> v_provider, '{}') || jsonb_build_object(
          v_model, ledger.rates_of(p_tenant_id, v_book, v_provider, v_model)
        ));
      end if;
    end loop;
  end loop;
  return jsonb_build_object('book', v_book, 'rates', v_rates);
end;
$$;
