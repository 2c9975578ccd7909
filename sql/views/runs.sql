-- Runs: where they stand in an experiment, how they ended, how they were judged.
create or replace view ledger.runs
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, r.label, r.experiment, r.arm, r.task, r.replicate, r.outcome, r.verdict, r.out_ref, r.reason, r.infra,
  r.resolved, r.score, r.opened_at, r.judged_at
from ledger_private.runs r;
comment on view ledger.runs is 'Runs: label, experiment, outcome, judgement.';
comment on column ledger.runs.experiment is 'null: in none';
comment on column ledger.runs.arm is 'null: in no experiment';
comment on column ledger.runs.task is 'null: not stated';
comment on column ledger.runs.replicate is 'null: not stated';
comment on column ledger.runs.outcome is 'null: not ended';
comment on column ledger.runs.verdict is 'null: none';
comment on column ledger.runs.out_ref is 'null: none';
comment on column ledger.runs.reason is 'null: not stated';
comment on column ledger.runs.resolved is 'null: not judged';
comment on column ledger.runs.score is 'null: not judged, or without one';
comment on column ledger.runs.judged_at is 'null: not judged';
revoke all on ledger.runs from public;
grant select on ledger.runs to ledger_admin, ledger_writer, ledger_auditor;
