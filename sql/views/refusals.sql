-- Who was refused what, and the balances seen, as long as operations are kept.
create or replace view ledger.refusals
with (security_invoker = true)
as
select o.tenant_id, o.pool_id, o.operation_id, o.label, o.code, coalesce(o.result -> 'shortfall', '[]') as shortfall, o.at
from ledger_private.operations o
where o.code is not null;
comment on view ledger.refusals is 'Refused operations: pool, label, reason, shortfall, when.';
comment on column ledger.refusals.label is 'null: no spawn';
revoke all on ledger.refusals from public;
grant select on ledger.refusals to ledger_admin, ledger_writer, ledger_auditor;
