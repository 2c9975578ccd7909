-- The usage lines with those that have left for the archive, as ledger_private.history.
create or replace view ledger_private.usage_history
with (security_invoker = true)
as
select l.* from ledger_private.usage_lines l
union all
select a.* from ledger_private.usage_lines_archive a;
comment on view ledger_private.usage_history is 'Every usage line: those of the journal and of its archive.';
revoke all on ledger_private.usage_history from public;
grant select on ledger_private.usage_history to ledger_admin, ledger_writer, ledger_auditor;
