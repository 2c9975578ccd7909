-- The price books of a tenant. current: the one that calls without a receipt are priced from when they are metered.
create or replace view ledger.price_books
with (security_invoker = true)
as
select
  b.tenant_id, b.book, b.source,
  (select count(*) from ledger_private.prices p where p.tenant_id = b.tenant_id and p.book = b.book) as prices,
  coalesce(t.price_book = b.book, false) as current, b.recorded_at, b.recorded_by
from ledger_private.price_books b
join ledger_private.tenants t on t.tenant_id = b.tenant_id;
comment on view ledger.price_books is 'Price books: how many prices, where from, which is current.';
comment on column ledger.price_books.source is 'null: not stated';
revoke all on ledger.price_books from public;
grant select on ledger.price_books to ledger_admin, ledger_writer, ledger_auditor;
