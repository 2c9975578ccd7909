-- A price book stays as it was written: no update, delete or truncate, also for the owner. What was priced from it can be priced again.
create or replace function ledger_private.tg_prices__immutable()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'restrict_violation',
    constraint = 'prices_immutable',
    table = tg_table_name,
    schema = tg_table_schema,
    message = format('a price book never changes: %s is not allowed', lower(tg_op)),
    hint = 'ledger.put_prices writes another book, ledger.use_prices chooses it';
end;
$$;

create or replace trigger prices_immutable
before update or delete on ledger_private.prices
for each row execute function ledger_private.tg_prices__immutable();

create or replace trigger prices_no_truncate
before truncate on ledger_private.prices
for each statement execute function ledger_private.tg_prices__immutable();

create or replace trigger price_books_immutable
before update or delete on ledger_private.price_books
for each row execute function ledger_private.tg_prices__immutable();

create or replace trigger price_books_no_truncate
before truncate on ledger_private.price_books
for each statement execute function ledger_private.tg_prices__immutable();
