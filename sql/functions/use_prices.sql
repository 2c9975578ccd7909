-- Says which book calls without a receipt are priced from when they are metered from now on; null = none. What was estimated stays what it was.
-- Locks: none of the ledger's.
-- Raises: LG009, LG012, LG001 (there is no such book).
create or replace function ledger.use_prices(
  p_tenant_id text,
  p_book text
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  if p_book is not null and not exists (
    select from ledger_private.price_books b where b.tenant_id = p_tenant_id and b.book = p_book
  ) then
    perform ledger_private.raise_error(
      'LG001', jsonb_build_object('path', 'p_book', 'rule', format('there is no price book %s: ledger.put_prices writes one', p_book))
    );
  end if;
  update ledger_private.tenants t set price_book = p_book where t.tenant_id = p_tenant_id and t.price_book is distinct from p_book;
end;
$$;
comment on function ledger.use_prices(text, text) is 'Chooses the price book of a tenant; null = none.';
revoke all on function ledger.use_prices(text, text) from public;
grant execute on function ledger.use_prices(text, text) to ledger_admin, ledger_writer;
