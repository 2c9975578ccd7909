-- The journal with what has left it for the archive: what everything reads that asks what happened. Rows are in one of the two, whatever an
-- archiving in between has come to. Writers append to the journal alone.
create or replace view ledger_private.history
with (security_invoker = true)
as
select j.* from ledger_private.journal j
union all
select a.* from ledger_private.journal_archive a;
comment on view ledger_private.history is 'Every event: the journal and its archive.';
revoke all on ledger_private.history from public;
grant select on ledger_private.history to ledger_admin, ledger_writer, ledger_auditor;
