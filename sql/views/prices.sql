-- The prices of every book, in dollars per million tokens (of `request`: per million calls). How a model finds its prices: ledger.rates_of.
create or replace view ledger.prices
with (security_invoker = true)
as
select
  p.tenant_id, p.book, p.provider, p.match, p.model, p.token_class, p.above_input_tokens,
  nullif(p.valid_from, '-infinity') as valid_from, nullif(p.valid_to, 'infinity') as valid_to,
  trim_scale(p.usd_per_million) as usd_per_million, p.source
from ledger_private.prices p;
comment on view ledger.prices is 'Price per provider, model, token class, size of the call and time.';
comment on column ledger.prices.valid_from is 'null: since ever';
comment on column ledger.prices.valid_to is 'null: until further notice';
comment on column ledger.prices.source is 'null: not stated';
revoke all on ledger.prices from public;
grant select on ledger.prices to ledger_admin, ledger_writer, ledger_auditor;
