-- What has left the journal of closed runs for the archive: of each pool a stretch of seq at a time, with what it adds up to and the digest of the
-- export that holds it. Everything answers from the archive as from the journal; this is where it is and what proves it.
create or replace view ledger.archives
with (security_invoker = true)
as
select
  a.tenant_id, a.pool_id, a.first_seq, a.last_seq, a.run_id, a.events, a.lines, a.sums, a.export_digest, a.archived_at, a.archived_by
from ledger_private.archives a;
comment on view ledger.archives is 'What has left the journal for the archive: stretches of seq, sums per channel, the digest of the export.';
revoke all on ledger.archives from public;
grant select on ledger.archives to ledger_admin, ledger_writer, ledger_auditor;
