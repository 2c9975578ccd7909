-- What a payer drew is what was spent below on its account, event by event and once. Begins at the channels that draw: most pools have none.
create or replace view ledger_private.audit_draws
with (security_invoker = true)
as
select
  d.tenant_id, d.pool_id, 'drawn-differs-from-source' as rule,
  jsonb_build_object(
    'source_pool_id', d.source_pool_id, 'source_seq', d.source_seq, 'channel', d.channel, 'drawn', sum(d.drawn), 'spent', sum(d.spent)
  ) as detail
from (
  select j.tenant_id, c.payer_pool_id as pool_id, j.pool_id as source_pool_id, j.seq as source_seq, m.channel, 0 as rows, 0 as drawn, m.spent
  from ledger_private.channels c
  cross join lateral (
    select k.* from ledger_private.history k where k.tenant_id = c.tenant_id and k.pool_id = c.pool_id
    offset 0
  ) j
  cross join lateral (
    select 'usd' as channel, coalesce(j.usd_spent, 0) as spent
    union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
  ) m
  left join lateral (
    select k.pool_id, k.payer_pool_id from ledger_private.channels k
    where k.tenant_id = c.tenant_id and k.pool_id = j.source_pool_id and k.channel = c.channel limit 1
  ) b on true
  where c.payer_pool_id <> c.pool_id and m.channel = c.channel and (j.source_pool_id is null or b.payer_pool_id = b.pool_id)
  union all
  select j.tenant_id, j.pool_id, j.source_pool_id, j.source_seq, m.channel, 1, m.spent, 0
  from ledger_private.history j
  cross join lateral (
    select 'usd' as channel, coalesce(j.usd_spent, 0) as spent
    union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
  ) m
  where j.kind = 'drawn'
) d
group by d.tenant_id, d.pool_id, d.source_pool_id, d.source_seq, d.channel
having sum(d.drawn) <> sum(d.spent) or sum(d.rows) > 1
union all
select p.tenant_id, p.pool_id, 'payer-links-differ', jsonb_build_object('pool', p.payers, 'channels', c.payers)
from ledger_private.pools p
cross join lateral (
  select array_agg(distinct c.payer_pool_id) filter (where c.payer_pool_id <> c.pool_id) as payers
  from ledger_private.channels c
  where c.tenant_id = p.tenant_id and c.pool_id = p.pool_id
) c
where p.payers is distinct from c.payers
union all
select c.tenant_id, c.pool_id, 'payer-caps-nothing', jsonb_build_object('channel', c.channel, 'payer_pool_id', c.payer_pool_id)
from ledger_private.channels c
cross join lateral (
  select k.total from ledger_private.channels k where k.tenant_id = c.tenant_id and k.pool_id = c.payer_pool_id and k.channel = c.channel limit 1
) q
where q.total is null;
comment on view ledger_private.audit_draws is 'What a payer drew is what was spent below on its account, event by event.';
revoke all on ledger_private.audit_draws from public;
grant select on ledger_private.audit_draws to ledger_admin, ledger_writer, ledger_auditor;
