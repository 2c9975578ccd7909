-- Calls of the drivers of a run that were announced and not metered: the provider may have billed them, and nobody said what. One row per
-- meter_id, of its first announcement. Each pool's journal is read once and grouped; the rows are then found by key.
create or replace view ledger.calls_in_doubt
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, p.pool_id, c.seq, c.meter_id, j.turn, j.purpose, j.provider, j.model, j.detail -> 'detail' as detail,
  j.recorded_at as dispatched_at
from ledger_private.runs r
cross join lateral (
  with recursive tree as (
    select r.run_id as pool_id
    union all
    select c.pool_id
    from tree t
    cross join lateral (
      select k.pool_id from ledger_private.pools k where k.tenant_id = r.tenant_id and k.parent_pool_id = t.pool_id
      offset 0
    ) c
  )
  select t.pool_id from tree t
) p
cross join lateral (
  select m.meter_id, min(m.seq) as seq
  from (
    select
      case k.kind when 'metered' then k.operation_id else k.detail ->> 'meter_id' end as meter_id, k.seq, k.kind = 'metered' as metered
    from ledger_private.history k
    where k.tenant_id = r.tenant_id and k.pool_id = p.pool_id and k.node_id = p.pool_id and k.kind in ('metered', 'dispatched')
    offset 0
  ) m
  group by m.meter_id
  having not bool_or(m.metered)
) c
cross join lateral (
  select k.turn, k.purpose, k.provider, k.model, k.detail, k.recorded_at
  from ledger_private.history k
  where k.tenant_id = r.tenant_id and k.pool_id = p.pool_id and k.seq = c.seq
  offset 0
) j;
comment on view ledger.calls_in_doubt is 'Calls of drivers that were announced and not metered.';
comment on column ledger.calls_in_doubt.turn is 'null: not stated';
comment on column ledger.calls_in_doubt.purpose is 'null: not stated';
comment on column ledger.calls_in_doubt.provider is 'null: not stated';
comment on column ledger.calls_in_doubt.model is 'null: not stated';
comment on column ledger.calls_in_doubt.detail is 'null: none';
revoke all on ledger.calls_in_doubt from public;
grant select on ledger.calls_in_doubt to ledger_admin, ledger_writer, ledger_auditor;
