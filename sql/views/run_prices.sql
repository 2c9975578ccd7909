-- What each run would cost under each price book, beside what was booked for it: usd is the sum of the calls the book can price, unpriced_calls
-- counts the others; usd_known where there are none. The same run under two books is two rows.
create or replace view ledger.run_prices
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, b.book, u.calls, u.unpriced_calls, u.usd, u.unpriced_calls = 0 as usd_known, u.booked_usd, u.booked_usd_known
from ledger_private.runs r
join ledger_private.price_books b on b.tenant_id = r.tenant_id
cross join lateral (
  select
    count(*) as calls, count(*) filter (where u.usd is null) as unpriced_calls,
    case when count(*) = 0 then 0 else trim_scale(sum(u.usd)) end as usd,
    case when count(*) = 0 then 0 else trim_scale(sum(u.booked_usd)) end as booked_usd,
    coalesce(bool_and(u.booked_usd_known), true) as booked_usd_known
  from ledger.priced_usage u
  where u.tenant_id = r.tenant_id and u.run_id = r.run_id and u.book = b.book
) u;
comment on view ledger.run_prices is 'What each run would cost under each price book.';
comment on column ledger.run_prices.usd is 'null: the book can price none of its calls';
comment on column ledger.run_prices.booked_usd is 'null: nothing of it is known';
revoke all on ledger.run_prices from public;
grant select on ledger.run_prices to ledger_admin, ledger_writer, ledger_auditor;
