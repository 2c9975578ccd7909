-- Invariant 7: an open child pool's total is its parent's hold for its node; a closed one's is what the parent committed for it.
create or replace view ledger_private.audit_children
with (security_invoker = true)
as
select
  c.tenant_id, c.pool_id, 'child-total-differs-from-parent' as rule,
  jsonb_build_object(
    'channel', c.channel, 'state', p.state, 'total', trim_scale(c.total), 'hold', coalesce((n.hold -> c.channel)::numeric, 0),
    'committed_by_parent', trim_scale(coalesce(b.spent, 0))
  ) as detail
from ledger_private.pools p
join ledger_private.channels c on c.tenant_id = p.tenant_id and c.pool_id = p.pool_id
join ledger_private.channels u on u.tenant_id = p.tenant_id and u.pool_id = p.parent_pool_id and u.channel = c.channel
join ledger_private.nodes n on n.tenant_id = p.tenant_id and n.node_id = p.pool_id
left join (
  select j.tenant_id, j.pool_id, j.node_id, m.channel, sum(m.spent) as spent
  from ledger_private.journal j
  cross join lateral (
    select 'tokens' as channel, coalesce(j.tokens_spent, 0) as spent
    union all select 'iterations', coalesce(j.iterations_spent, 0)
    union all select 'usd', coalesce(j.usd_spent, 0)
    union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
  ) m
  where j.source_pool_id = j.node_id and j.kind in ('settled', 'cancelled', 'corrected')
  group by j.tenant_id, j.pool_id, j.node_id, m.channel
) b on b.tenant_id = p.tenant_id and b.pool_id = p.parent_pool_id and b.node_id = p.pool_id and b.channel = c.channel
where c.total is not null
  and case p.state
    when 'closed' then c.total <> coalesce(b.spent, 0) or c.free <> 0
    else u.total is not null and c.total <> coalesce((n.hold -> c.channel)::numeric, 0)
  end
union all
select c.tenant_id, c.pool_id, 'closed-pool-has-holds', jsonb_build_object('channel', c.channel, 'reserved', trim_scale(c.reserved))
from ledger_private.channels c
join ledger_private.pools p on p.tenant_id = c.tenant_id and p.pool_id = c.pool_id
where p.state = 'closed' and c.reserved <> 0;
comment on view ledger_private.audit_children is
  'Invariant 7: the total of an open child pool is its hold in the parent, of a closed one what the parent committed for it.';
revoke all on ledger_private.audit_children from public;
grant select on ledger_private.audit_children to ledger_admin, ledger_writer, ledger_auditor;
