-- What a payer drew is what was spent below on its account, event by event.
create or replace view ledger_private.audit_draws
with (security_invoker = true)
as
select
  d.tenant_id, d.pool_id, 'drawn-differs-from-source' as rule,
  jsonb_build_object(
    'source_pool_id', d.source_pool_id, 'source_seq', d.source_seq, 'channel', d.channel, 'drawn', d.drawn, 'spent', d.spent
  ) as detail
from (
  select
    coalesce(s.tenant_id, q.tenant_id) as tenant_id, coalesce(s.payer_pool_id, q.pool_id) as pool_id,
    coalesce(s.pool_id, q.source_pool_id) as source_pool_id, coalesce(s.seq, q.source_seq) as source_seq,
    coalesce(s.channel, q.channel) as channel, coalesce(q.spent, 0) as drawn, coalesce(s.spent, 0) as spent
  from (
    select j.tenant_id, j.pool_id, j.seq, m.channel, m.spent, c.payer_pool_id
    from ledger_private.journal j
    cross join lateral (
      select 'usd' as channel, coalesce(j.usd_spent, 0) as spent
      union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
    ) m
    join ledger_private.channels c
      on c.tenant_id = j.tenant_id and c.pool_id = j.pool_id and c.channel = m.channel and c.payer_pool_id <> c.pool_id
    left join ledger_private.channels b on b.tenant_id = j.tenant_id and b.pool_id = j.source_pool_id and b.channel = m.channel
    where m.spent <> 0 and (j.source_pool_id is null or b.payer_pool_id = b.pool_id)
  ) s
  full join (
    select j.tenant_id, j.pool_id, j.source_pool_id, j.source_seq, m.channel, m.spent
    from ledger_private.journal j
    cross join lateral (
      select 'usd' as channel, coalesce(j.usd_spent, 0) as spent
      union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
    ) m
    where j.kind = 'drawn' and m.spent <> 0
  ) q
    on q.tenant_id = s.tenant_id and q.pool_id = s.payer_pool_id and q.source_pool_id = s.pool_id and q.source_seq = s.seq and q.channel = s.channel
) d
where d.drawn <> d.spent
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
join ledger_private.channels q on q.tenant_id = c.tenant_id and q.pool_id = c.payer_pool_id and q.channel = c.channel
where q.total is null;
comment on view ledger_private.audit_draws is 'What a payer drew is what was spent below on its account, event by event.';
revoke all on ledger_private.audit_draws from public;
grant select on ledger_private.audit_draws to ledger_admin, ledger_writer, ledger_auditor;
