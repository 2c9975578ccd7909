-- The detail of an operation's journal row: what the caller gave, what it said became of tools, and the book its spend was priced from
-- (ledger_private.priced). What is no object stands under `detail` then. (Stable, as jsonb_build_object is declared: so it goes into the query that
-- asks.)
create or replace function ledger_private.detail_of(p_operation jsonb)
returns jsonb
language sql
stable
parallel safe
return case
  when not p_operation ?| array['price_book', 'tool_results'] then p_operation -> 'detail'
  else jsonb_strip_nulls(jsonb_build_object('price_book', p_operation -> 'price_book', 'tool_results', p_operation -> 'tool_results')) || case
    when jsonb_typeof(p_operation -> 'detail') = 'object' then p_operation -> 'detail'
    when p_operation ? 'detail' then jsonb_build_object('detail', p_operation -> 'detail')
    else '{}'
  end
end;
