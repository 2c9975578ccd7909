-- The tree: every agent, worker or request with its hold, lease, place in delivery and end. lapsed: the lease (its own, else that of the
-- nearest driver above) has passed and its end is not booked yet. terminal_seq: where in its parent's journal the row is that ended it.
-- superseded: another child has its key by now.
create or replace view ledger.nodes
with (security_invoker = true)
as
select
  n.tenant_id, n.node_id, n.parent_node_id, n.run_id, n.driver, n.label, n.runtime, n.key, n.status,
  n.budget, n.hold, coalesce(n.lease_at, i.lease_at) as lease_at,
  n.ended_at is null and coalesce(coalesce(n.lease_at, i.lease_at) <= statement_timestamp(), false) as lapsed,
  n.cursor, case when n.ended_at is not null then n.status end as outcome, n.verdict, n.out_ref, n.reason, n.infra, n.tags,
  n.spawned_at, n.dispatched_at, n.ended_at, n.task_ref, n.terminal_seq, n.superseded
from ledger_private.nodes n
left join lateral (
  with recursive above as (
    select p.parent_node_id, p.lease_at
    from ledger_private.nodes p
    where p.tenant_id = n.tenant_id and p.node_id = n.parent_node_id and n.lease_at is null and n.ended_at is null
    union all
    select p.parent_node_id, p.lease_at
    from above a
    join ledger_private.nodes p on p.tenant_id = n.tenant_id and p.node_id = a.parent_node_id
    where a.lease_at is null
  )
  select a.lease_at from above a where a.lease_at is not null
) i on true;
comment on view ledger.nodes is 'Every node with status, hold, lease and end.';
comment on column ledger.nodes.parent_node_id is 'null: at the top';
comment on column ledger.nodes.run_id is 'null: outside any run';
comment on column ledger.nodes.runtime is 'null: not stated';
comment on column ledger.nodes.key is 'null: none';
comment on column ledger.nodes.lease_at is 'null: no lease, or ended without one of its own';
comment on column ledger.nodes.cursor is 'null: not delivered';
comment on column ledger.nodes.outcome is 'null: not ended';
comment on column ledger.nodes.verdict is 'null: none';
comment on column ledger.nodes.out_ref is 'null: none';
comment on column ledger.nodes.reason is 'null: not stated';
comment on column ledger.nodes.infra is 'null: not stated';
comment on column ledger.nodes.tags is 'null: none';
comment on column ledger.nodes.dispatched_at is 'null: never dispatched';
comment on column ledger.nodes.ended_at is 'null: not ended';
comment on column ledger.nodes.task_ref is 'null: not stated';
comment on column ledger.nodes.terminal_seq is 'null: not ended, or at the top';
revoke all on ledger.nodes from public;
grant select on ledger.nodes to ledger_admin, ledger_writer, ledger_auditor;
