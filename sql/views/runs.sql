-- Runs: where they stand in an experiment, how they ended, how they were judged.
create or replace view ledger.runs
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, r.label, r.experiment, r.arm, r.task, r.replicate, r.outcome, r.verdict, r.out_ref, r.reason, r.infra,
  r.resolved, r.score, r.opened_at, r.judged_at
from ledger_private.runs r;
comment on view ledger.runs is 'Runs: label, experiment, outcome, judgement.';
revoke all on ledger.runs from public;
grant select on ledger.runs to ledger_admin, ledger_writer, ledger_auditor;
