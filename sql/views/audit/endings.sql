-- Invariant 4: every ended child has its one terminal row in its parent, delivered rows are counted, and rows name nodes and operations that
-- exist. Looked up by key, row by row: joined freely, a database without statistics pairs every row with every other.
create or replace view ledger_private.audit_endings
with (security_invoker = true)
as
select
  n.tenant_id, n.parent_node_id as pool_id, 'ending-without-terminal-row' as rule,
  jsonb_build_object('node_id', n.node_id, 'status', n.status, 'terminal_seq', n.terminal_seq) as detail
from ledger_private.nodes n
left join lateral (
  select k.seq, k.node_id, k.kind from ledger_private.history k
  where k.tenant_id = n.tenant_id and k.pool_id = n.parent_node_id and k.seq = n.terminal_seq limit 1
) j on j.node_id = n.node_id and j.kind in ('settled', 'cancelled', 'expired')
where n.parent_node_id is not null and (n.ended_at is not null) <> (j.seq is not null)
union all
select j.tenant_id, j.pool_id, 'journal-of-no-node', jsonb_build_object('seq', j.seq, 'node_id', j.node_id)
from ledger_private.history j
left join lateral (
  select k.node_id from ledger_private.nodes k where k.tenant_id = j.tenant_id and k.node_id = j.node_id limit 1
) n on true
where j.node_id is not null and n.node_id is null
union all
select
  h.tenant_id, h.pool_id, 'deliveries-miscounted',
  jsonb_build_object(
    'undelivered', h.undelivered, 'waiting', coalesce(t.waiting, 0), 'next_cursor', h.next_cursor, 'delivered', coalesce(t.delivered, 0)
  )
from ledger_private.pool_heads h
left join lateral (
  select
    count(*) filter (where j.kind <> 'delivered' and j.seq > h.delivered_seq) as waiting,
    count(*) filter (where j.kind = 'delivered') as delivered
  from ledger_private.history j
  where j.tenant_id = h.tenant_id and j.pool_id = h.pool_id and j.kind in ('settled', 'cancelled', 'expired', 'delivered')
) t on true
where h.undelivered <> t.waiting or h.next_cursor <> t.delivered
union all
select o.tenant_id, o.pool_id, 'operation-without-row', jsonb_build_object('operation_id', o.operation_id, 'seq', o.seq)
from ledger_private.operations o
left join lateral (
  select k.operation_id from ledger_private.history k
  where k.tenant_id = o.tenant_id and k.pool_id = o.pool_id and k.seq = o.seq limit 1
) j on true
where o.seq is not null and j.operation_id is distinct from o.operation_id;
comment on view ledger_private.audit_endings is
  'Invariant 4: every ended child has its one terminal row in its parent, deliveries are counted, rows name what exists.';
revoke all on ledger_private.audit_endings from public;
grant select on ledger_private.audit_endings to ledger_admin, ledger_writer, ledger_auditor;
