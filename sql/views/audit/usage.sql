-- What an event consumed is what it moved: own usage equals own postings, corrections included.
create or replace view ledger_private.audit_usage
with (security_invoker = true)
as
select
  j.tenant_id, j.pool_id, 'usage-differs-from-posting' as rule,
  jsonb_build_object('seq', j.seq, 'kind', j.kind) as detail
from ledger_private.history j
where j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
  and (
    coalesce(j.charged_tokens, 0) <> coalesce(j.tokens_spent, 0) or coalesce(j.iterations, 0) <> coalesce(j.iterations_spent, 0)
    or coalesce(j.usd, 0) <> coalesce(j.usd_spent, 0) or coalesce(j.uncertain_usd, 0) <> coalesce(j.usd_uncertain, 0)
    or coalesce(j.uncertain_tokens, 0) <> coalesce(j.tokens_uncertain, 0)
  )
union all
select j.tenant_id, j.pool_id, 'drawn-row-spends', jsonb_build_object('seq', j.seq)
from ledger_private.history j
where j.kind = 'drawn' and j.iterations is not null
union all
select l.tenant_id, l.pool_id, 'difference-of-no-correction', jsonb_build_object('seq', l.seq, 'line', l.line)
from ledger_private.usage_history l
join ledger_private.history j on j.tenant_id = l.tenant_id and j.pool_id = l.pool_id and j.seq = l.seq
where l.correction and j.kind <> 'corrected'
union all
select t.tenant_id, null, 'frozen-pools-miscounted', jsonb_build_object('counted', t.frozen_pools, 'frozen', coalesce(p.frozen, 0))
from ledger_private.tenants t
left join (
  select p.tenant_id, count(*) as frozen from ledger_private.pools p where p.state = 'frozen' group by p.tenant_id
) p on p.tenant_id = t.tenant_id
where t.frozen_pools <> coalesce(p.frozen, 0);
comment on view ledger_private.audit_usage is 'What an event consumed is what it moved: own usage equals own postings, corrections included.';
revoke all on ledger_private.audit_usage from public;
grant select on ledger_private.audit_usage to ledger_admin, ledger_writer, ledger_auditor;
