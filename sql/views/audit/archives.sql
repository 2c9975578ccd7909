-- What is recorded of archived stretches is what the archive holds: as many rows, and the sums of each channel. Looked up stretch by stretch.
create or replace view ledger_private.audit_archives
with (security_invoker = true)
as
select
  a.tenant_id, a.pool_id, 'archive-differs-from-record' as rule,
  jsonb_build_object(
    'first_seq', a.first_seq, 'last_seq', a.last_seq,
    'recorded', jsonb_build_object('events', a.events, 'lines', a.lines, 'sums', a.sums),
    'archived', jsonb_build_object('events', e.events, 'lines', l.lines, 'sums', s.sums)
  ) as detail
from ledger_private.archives a
cross join lateral (
  select count(*) as events from ledger_private.journal_archive k
  where k.tenant_id = a.tenant_id and k.pool_id = a.pool_id and k.seq between a.first_seq and a.last_seq
) e
cross join lateral (
  select count(*) as lines from ledger_private.usage_lines_archive k
  where k.tenant_id = a.tenant_id and k.pool_id = a.pool_id and k.seq between a.first_seq and a.last_seq
) l
cross join lateral (
  select jsonb_object_agg(c.channel, c.sums) as sums
  from (
    select m.channel, jsonb_build_object(
      'funded', trim_scale(coalesce(sum(m.funded), 0)), 'held', trim_scale(coalesce(sum(m.held), 0)),
      'spent', trim_scale(coalesce(sum(m.spent), 0)), 'uncertain', trim_scale(coalesce(sum(m.uncertain), 0)),
      'unknown', coalesce(sum(m.unknown), 0), 'seals', coalesce(sum(m.seals), 0), 'remainder', trim_scale(coalesce(sum(m.remainder), 0))
    ) as sums
    from ledger_private.moves m
    where m.tenant_id = a.tenant_id and m.pool_id = a.pool_id and m.seq between a.first_seq and a.last_seq
    group by m.channel
  ) c
) s
where (a.events, a.lines, a.sums) is distinct from (e.events, l.lines, s.sums);
comment on view ledger_private.audit_archives is 'What is recorded of archived stretches is what the archive holds.';
revoke all on ledger_private.audit_archives from public;
grant select on ledger_private.audit_archives to ledger_admin, ledger_writer, ledger_auditor;
