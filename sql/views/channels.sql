-- Balances now. sealed: an unknown event closed the dollars; measured: every usage on the channel is known.
create or replace view ledger.channels
with (security_invoker = true)
as
select
  c.tenant_id, c.pool_id, c.channel, c.unit, c.total is not null as capped,
  trim_scale(c.total) as total, trim_scale(c.free) as free, trim_scale(c.reserved) as reserved,
  trim_scale(c.committed) as committed, trim_scale(c.uncertain) as uncertain,
  c.unknown = 0 as measured, c.seals > 0 as sealed, c.payer_pool_id
from ledger_private.channels c;
comment on view ledger.channels is 'Balances now: total = free + reserved + committed where capped.';
comment on column ledger.channels.unit is 'null: none named';
comment on column ledger.channels.total is 'null: uncapped';
comment on column ledger.channels.free is 'null: uncapped';
comment on column ledger.channels.payer_pool_id is 'null: nobody pays';
revoke all on ledger.channels from public;
grant select on ledger.channels to ledger_admin, ledger_writer, ledger_auditor;
