-- Invariant 7: an open child pool's total is its parent's hold for its node; a closed one's is what the parent committed for it.
-- Looked up pool by pool and grouped: joined freely, a database without statistics pairs every pool with every other.
create or replace view ledger_private.audit_children
with (security_invoker = true)
as
select
  x.tenant_id, x.pool_id, 'child-total-differs-from-parent' as rule,
  jsonb_build_object(
    'channel', x.channel, 'state', max(x.state), 'total', trim_scale(max(x.total)), 'hold', max(x.hold),
    'committed_by_parent', trim_scale(coalesce(sum(x.spent), 0))
  ) as detail
from (
  select
    p.tenant_id, p.parent_pool_id, p.pool_id, c.channel, p.state, c.total, c.free, u.total is not null as capped_above,
    coalesce((n.hold -> c.channel)::numeric, 0) as hold, null::numeric as spent
  from ledger_private.pools p
  cross join lateral (
    select k.* from ledger_private.channels k where k.tenant_id = p.tenant_id and k.pool_id = p.pool_id and k.total is not null
    offset 0
  ) c
  cross join lateral (
    select k.total from ledger_private.channels k
    where k.tenant_id = p.tenant_id and k.pool_id = p.parent_pool_id and k.channel = c.channel limit 1
  ) u
  cross join lateral (
    select k.hold from ledger_private.nodes k where k.tenant_id = p.tenant_id and k.node_id = p.pool_id limit 1
  ) n
  where p.parent_pool_id is not null
  union all
  select j.tenant_id, j.pool_id, j.node_id, m.channel, null, null, null, null, null, m.spent
  from ledger_private.history j
  cross join lateral (
    select 'tokens' as channel, coalesce(j.tokens_spent, 0) as spent
    union all select 'iterations', coalesce(j.iterations_spent, 0)
    union all select 'usd', coalesce(j.usd_spent, 0)
    union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
  ) m
  where j.source_pool_id = j.node_id and j.kind in ('settled', 'cancelled', 'corrected')
) x
group by x.tenant_id, x.parent_pool_id, x.pool_id, x.channel
having case max(x.state)
  when 'closed' then max(x.total) <> coalesce(sum(x.spent), 0) or max(x.free) <> 0
  else bool_or(x.capped_above) and max(x.total) <> max(x.hold)
end
union all
select c.tenant_id, c.pool_id, 'closed-pool-has-holds', jsonb_build_object('channel', c.channel, 'reserved', trim_scale(c.reserved))
from ledger_private.pools p
cross join lateral (
  select k.* from ledger_private.channels k where k.tenant_id = p.tenant_id and k.pool_id = p.pool_id and k.reserved <> 0
  offset 0
) c
where p.state = 'closed';
comment on view ledger_private.audit_children is
  'Invariant 7: the total of an open child pool is its hold in the parent, of a closed one what the parent committed for it.';
revoke all on ledger_private.audit_children from public;
grant select on ledger_private.audit_children to ledger_admin, ledger_writer, ledger_auditor;
