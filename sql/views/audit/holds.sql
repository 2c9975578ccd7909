-- Invariant 3: reserved is the sum of the open holds, and the head counts them.
create or replace view ledger_private.audit_holds
with (security_invoker = true)
as
select
  c.tenant_id, c.pool_id, 'reserved-differs-from-open-holds' as rule,
  jsonb_build_object('channel', c.channel, 'reserved', trim_scale(c.reserved), 'holds', coalesce(o.held, 0)) as detail
from ledger_private.channels c
left join (
  select n.tenant_id, n.parent_node_id, h.key as channel, sum((h.value)::numeric) as held
  from ledger_private.nodes n
  cross join lateral jsonb_each(n.hold) h
  where n.ended_at is null
  group by n.tenant_id, n.parent_node_id, h.key
) o on o.tenant_id = c.tenant_id and o.parent_node_id = c.pool_id and o.channel = c.channel
where c.reserved <> coalesce(o.held, 0)
union all
select
  h.tenant_id, h.pool_id, 'head-miscounts-children',
  jsonb_build_object('children', h.children, 'open_holds', h.open_holds, 'nodes', coalesce(n.children, 0), 'open_nodes', coalesce(n.open, 0))
from ledger_private.pool_heads h
left join (
  select
    n.tenant_id, n.parent_node_id, count(*) as children, count(*) filter (where n.ended_at is null) as open,
    min(n.lease_at) filter (where n.ended_at is null) as next_lease_at
  from ledger_private.nodes n
  group by n.tenant_id, n.parent_node_id
) n on n.tenant_id = h.tenant_id and n.parent_node_id = h.pool_id
where h.children <> coalesce(n.children, 0) or h.open_holds <> coalesce(n.open, 0)
  or (n.next_lease_at is not null and coalesce(h.next_lease_at > n.next_lease_at, true));
comment on view ledger_private.audit_holds is 'Invariant 3: reserved is the sum of the open holds, and the head counts them.';
revoke all on ledger_private.audit_holds from public;
grant select on ledger_private.audit_holds to ledger_admin, ledger_writer, ledger_auditor;
