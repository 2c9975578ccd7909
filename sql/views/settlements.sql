-- Children of a run's pools that have ended, leaves and drivers, with what their terminal row booked (corrections are not in it), the end as it
-- stands now (late: expired first, then settled), and where they are in the order of delivery. Each pool's journal is read once and grouped;
-- the rows are then found by key, because joined freely a database without statistics pairs every row with every other.
create or replace view ledger.settlements
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, p.pool_id, n.node_id, t.seq, n.cursor, d.recorded_at as delivered_at, d.seq as delivered_seq,
  n.label, n.runtime, n.key, n.driver, n.status as outcome, n.late, n.out_ref, n.verdict, n.reason, n.infra,
  t.iterations, t.input_tokens, t.output_tokens, coalesce(t.cache_read_tokens, 0) as cache_read_tokens,
  coalesce(t.cache_write_tokens, 0) as cache_write_tokens, coalesce(t.reasoning_tokens, 0) as reasoning_tokens, t.charged_tokens,
  trim_scale(t.usd) as usd, coalesce(t.ms, 0) as ms, coalesce(t.uncertain_tokens, 0) as uncertain_tokens,
  coalesce(t.uncertain_iterations, 0) as uncertain_iterations, coalesce(trim_scale(t.uncertain_usd), 0) as uncertain_usd,
  t.tokens_known, t.usd_known, t.resources,
  t.effective_at, t.recorded_at
from ledger_private.runs r
cross join lateral (
  with recursive tree as (
    select r.run_id as pool_id
    union all
    select c.pool_id
    from tree a
    cross join lateral (
      select k.pool_id from ledger_private.pools k where k.tenant_id = r.tenant_id and k.parent_pool_id = a.pool_id
      offset 0
    ) c
  )
  select a.pool_id from tree a
) p
cross join lateral (
  select
    j.node_id, max(j.seq) filter (where j.kind <> 'delivered') as seq, max(j.seq) filter (where j.kind = 'delivered') as delivered_seq
  from ledger_private.history j
  where j.tenant_id = r.tenant_id and j.pool_id = p.pool_id and j.kind in ('settled', 'cancelled', 'expired', 'delivered')
  group by j.node_id
) e
cross join lateral (
  select k.* from ledger_private.nodes k where k.tenant_id = r.tenant_id and k.node_id = e.node_id
  offset 0
) n
cross join lateral (
  select k.* from ledger_private.history k where k.tenant_id = r.tenant_id and k.pool_id = p.pool_id and k.seq = e.seq
  offset 0
) t
left join lateral (
  select k.seq, k.recorded_at from ledger_private.history k
  where k.tenant_id = r.tenant_id and k.pool_id = p.pool_id and k.seq = e.delivered_seq
  offset 0
) d on true;
comment on view ledger.settlements is 'Children of runs that have ended, with their artifact and their place in the order of delivery.';
comment on column ledger.settlements.cursor is 'null: not delivered';
comment on column ledger.settlements.delivered_at is 'null: not delivered';
comment on column ledger.settlements.delivered_seq is 'null: not delivered';
comment on column ledger.settlements.runtime is 'null: not stated';
comment on column ledger.settlements.key is 'null: none';
comment on column ledger.settlements.out_ref is 'null: none';
comment on column ledger.settlements.verdict is 'null: none';
comment on column ledger.settlements.reason is 'null: not stated';
comment on column ledger.settlements.infra is 'null: not stated';
comment on column ledger.settlements.usd is 'null: unknown';
comment on column ledger.settlements.resources is 'null: none';
revoke all on ledger.settlements from public;
grant select on ledger.settlements to ledger_admin, ledger_writer, ledger_auditor;
