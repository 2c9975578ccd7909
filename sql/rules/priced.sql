-- An operation with what its spend is estimated to cost (ledger_private.rate_card), as of p_at; the book goes along as price_book, a key no caller
-- can send, and from there into journal.detail. Lines are priced each by itself, and only when all that state no dollars can be; then the spend is
-- their sum. Unchanged where nothing is to be priced, or something cannot be.
create or replace function ledger_private.priced(
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
  v_spend jsonb := p_operation -> 'spend';
  v_lines jsonb := '[]';
  v_line jsonb;
  v_usd numeric := 0;
  v_known boolean := true;
begin
  if p_card is null or not ledger_private.needs_price(p_operation) then
    return p_operation;
  elsif not p_operation ? 'lines' then
    v_spend := ledger_private.with_estimate(v_spend, p_operation, p_card, p_at);
    if v_spend is null then
      return p_operation;
    end if;
    return p_operation || jsonb_build_object('spend', v_spend, 'price_book', p_card -> 'book');
  end if;
  for v_line in select e.line from jsonb_array_elements(p_operation -> 'lines') with ordinality e (line, n) order by e.n loop
    if not v_line ? 'usd' then
      v_line := ledger_private.with_estimate(v_line, p_operation, p_card, p_at);
      if v_line is null then
        return p_operation;
      end if;
    end if;
    v_lines := v_lines || jsonb_build_array(v_line);
    v_usd := v_usd + ledger_private.amount(v_line -> 'usd');
    v_known := v_known and coalesce((v_line -> 'usd_known')::boolean, true);
  end loop;
  if v_usd >= 1e15 then
    return p_operation;
  end if;
  return p_operation || jsonb_build_object(
    'lines', v_lines, 'spend', v_spend || jsonb_build_object('usd', v_usd, 'usd_known', v_known), 'price_book', p_card -> 'book'
  );
end;
$$;
