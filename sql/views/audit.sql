-- What is wrong with the books: zero rows = healthy. Each part proves its invariants from the journal.
create or replace view ledger.audit
with (security_invoker = true)
as
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_balances a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_holds a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_sequence a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_endings a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_usage a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_children a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_draws a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_runs a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_archives a;
comment on view ledger.audit is 'What is wrong: tenant, pool, rule, detail. Zero rows = healthy.';
comment on column ledger.audit.pool_id is 'null: of the tenant as a whole';
revoke all on ledger.audit from public;
grant select on ledger.audit to ledger_admin, ledger_writer, ledger_auditor;
