-- What a call with so many tokens, none of its input from a cache, would cost at the prices of the tenant's current book that hold now: dollars,
-- exact. Null where that is unknown: no book is in use, the book does not know the model or one of its classes, a number of tokens is not given.
-- Prices come from where metering has them (ledger.rates_of, ledger.price_of).
create or replace function ledger.estimate_of(
  p_tenant_id text,
  p_provider text,
  p_model text,
  p_input_tokens numeric,
  p_output_tokens numeric
)
returns numeric
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_book text;
begin
  select b.book into v_book from ledger.price_books b where b.tenant_id = p_tenant_id and b.current;
  return (
    select e.p_usd
    from ledger.price_of(
      ledger.rates_of(p_tenant_id, v_book, p_provider, p_model), statement_timestamp(), p_input_tokens, p_output_tokens, 0, 0, 0, 0
    ) e
  );
end;
$$;
comment on function ledger.estimate_of(text, text, text, numeric, numeric) is
  'What a call would cost at the current book''s prices now, without a cache: dollars; null = unknown.';
revoke all on function ledger.estimate_of(text, text, text, numeric, numeric) from public;
grant execute on function ledger.estimate_of(text, text, text, numeric, numeric) to ledger_admin, ledger_writer, ledger_auditor;
