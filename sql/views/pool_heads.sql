-- What has moved: seq of the last journal row of each pool, and what is open in it.
create or replace view ledger.pool_heads
with (security_invoker = true)
as
select h.tenant_id, h.pool_id, h.seq, h.open_holds, h.undelivered, h.next_lease_at
from ledger_private.pool_heads h;
comment on view ledger.pool_heads is 'The last seq of each pool: what has moved.';
comment on column ledger.pool_heads.next_lease_at is 'null: no open hold has a lease';
revoke all on ledger.pool_heads from public;
grant select on ledger.pool_heads to ledger_admin, ledger_writer, ledger_auditor;
