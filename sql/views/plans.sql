-- Plans of experiments: what was registered, where in the journal, and when by the server's clock.
create or replace view ledger.plans
with (security_invoker = true)
as
select p.tenant_id, p.experiment, p.plan_ref, p.pool_id, p.seq, p.registered_at, p.registered_by
from ledger_private.plans p;
comment on view ledger.plans is 'Plans of experiments, as registered; the bytes are the blob of plan_ref.';
revoke all on ledger.plans from public;
grant select on ledger.plans to ledger_admin, ledger_writer, ledger_auditor;
