-- Invariant 5: seq is dense per pool, and the head knows the last one. Grouped, not joined: also quick without statistics.
create or replace view ledger_private.audit_sequence
with (security_invoker = true)
as
select
  x.tenant_id, x.pool_id, case when max(x.head) is null then 'journal-of-no-pool' else 'seq-not-dense' end as rule,
  case
    when max(x.head) is null then jsonb_build_object('rows', count(x.seq))
    else jsonb_build_object('seq', max(x.head), 'rows', count(x.seq), 'first', min(x.seq), 'last', max(x.seq))
  end as detail
from (
  select h.tenant_id, h.pool_id, h.seq as head, null::bigint as seq from ledger_private.pool_heads h
  union all
  select j.tenant_id, j.pool_id, null, j.seq from ledger_private.history j
) x
group by x.tenant_id, x.pool_id
having (max(x.head), max(x.head), 1) is distinct from (count(x.seq), max(x.seq), min(x.seq));
comment on view ledger_private.audit_sequence is 'Invariant 5: seq is dense per pool, and the head knows the last one.';
revoke all on ledger_private.audit_sequence from public;
grant select on ledger_private.audit_sequence to ledger_admin, ledger_writer, ledger_auditor;
