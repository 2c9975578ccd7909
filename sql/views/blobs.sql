-- Artifacts by content. bytes is known without reading the body.
create or replace view ledger.blobs
with (security_invoker = true)
as
select b.tenant_id, b.blob_id, octet_length(b.body) as bytes, b.body, b.stored_at
from ledger_private.blobs b;
comment on view ledger.blobs is 'Artifacts: sha256:<hex> of the bytes, and the bytes.';
revoke all on ledger.blobs from public;
grant select on ledger.blobs to ledger_admin, ledger_writer, ledger_auditor;
