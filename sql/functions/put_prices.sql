-- Writes a price book, whole and once: p_prices = [{provider, model, match?, token_class, usd_per_million, above_input_tokens?, valid_from?,
-- valid_to?, source?}], up to 100,000 prices, in any order; match is `exact` unless said. Provider and model are kept in lower case. Returns how many
-- there are. The same content again is ok, a book never changes: other prices need another name. Nothing is priced from it before ledger.use_prices.
-- Locks: none of the ledger's.
-- Raises: LG009, LG012, LG001 (p_book, p_source, p_prices.<i>.<key>; a key that is there twice), LG011 (the book has other content).
create or replace function ledger.put_prices(
  p_tenant_id text,
  p_book text,
  p_prices jsonb,
  p_source text default null
)
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_misfit jsonb;
  v_prices ledger_private.prices[];
  v_digest bytea;
  v_kept bytea;
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  v_misfit := ledger_private.misfit_of_book(p_book, p_prices, p_source);
  if v_misfit is null then
    v_prices := ledger_private.prices_in(p_tenant_id, p_book, p_prices);
    v_misfit := ledger_private.misfit_of_prices(v_prices);
  end if;
  if v_misfit is not null then
    perform ledger_private.raise_error('LG001', v_misfit);
  end if;

  v_digest := ledger_private.digest_of_prices(v_prices, p_source);
  insert into ledger_private.price_books (tenant_id, book, source, digest) values (p_tenant_id, p_book, p_source, v_digest)
  on conflict do nothing;
  if not found then
    select b.digest into strict v_kept from ledger_private.price_books b where b.tenant_id = p_tenant_id and b.book = p_book;
    if v_kept <> v_digest then
      perform ledger_private.raise_error('LG011', jsonb_build_object(
        'path', 'p_book', 'rule', format('book %s is there with other prices: a book never changes, put these under another name', p_book)
      ));
    end if;
    return cardinality(v_prices);
  end if;
  insert into ledger_private.prices select p.* from unnest(v_prices) p;
  return cardinality(v_prices);
end;
$$;
comment on function ledger.put_prices(text, text, jsonb, text) is 'Writes a price book, once; returns the number of its prices.';
revoke all on function ledger.put_prices(text, text, jsonb, text) from public;
grant execute on function ledger.put_prices(text, text, jsonb, text) to ledger_admin, ledger_writer;
