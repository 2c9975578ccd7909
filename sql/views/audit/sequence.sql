-- Invariant 5: seq is dense per pool, and the head knows the last one.
create or replace view ledger_private.audit_sequence
with (security_invoker = true)
as
select
  h.tenant_id, h.pool_id, 'seq-not-dense' as rule,
  jsonb_build_object('seq', h.seq, 'rows', coalesce(j.rows, 0), 'first', j.first, 'last', j.last) as detail
from ledger_private.pool_heads h
left join (
  select j.tenant_id, j.pool_id, count(*) as rows, min(j.seq) as first, max(j.seq) as last
  from ledger_private.journal j
  group by j.tenant_id, j.pool_id
) j on j.tenant_id = h.tenant_id and j.pool_id = h.pool_id
where (h.seq, h.seq, 1) is distinct from (j.rows, j.last, j.first)
union all
select j.tenant_id, j.pool_id, 'journal-of-no-pool', jsonb_build_object('rows', count(*))
from ledger_private.journal j
where not exists (select from ledger_private.pool_heads h where h.tenant_id = j.tenant_id and h.pool_id = j.pool_id)
group by j.tenant_id, j.pool_id;
comment on view ledger_private.audit_sequence is 'Invariant 5: seq is dense per pool, and the head knows the last one.';
revoke all on ledger_private.audit_sequence from public;
grant select on ledger_private.audit_sequence to ledger_admin, ledger_writer, ledger_auditor;
