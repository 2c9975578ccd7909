-- What each run of an experiment cost, one row per run, and what stands in the way of comparing it: open holds, unknown and uncertain usage.
-- left_out: an infra run takes its (task, replicate) out of every arm, null being a value. open_holds: nodes of the run that have not ended,
-- below its root; the root too where the run stands under a parent pool; and calls of its drivers that were announced and not metered
-- (ledger.calls_in_doubt, asked only where any was announced). Once the run has ended such a call is lost: it counts as unknown usage, no
-- longer as open. Pools of the run are walked, not its leaves.
create or replace view ledger.run_costs
with (security_invoker = true)
as
select
  r.tenant_id, r.experiment, r.arm, r.task, r.replicate, r.run_id,
  case when r.infra then 'infra' when r.beside_infra then 'paired' end as left_out,
  r.outcome, r.resolved, r.opened_at, p.token_charge,
  s.iterations as iterations, s.input_tokens as input_tokens, s.output_tokens as output_tokens, s.cache_read_tokens as cache_read_tokens,
  s.cache_write_tokens as cache_write_tokens, s.reasoning_tokens as reasoning_tokens, s.charged_tokens as charged_tokens,
  trim_scale(s.usd) as usd, s.ms as ms, s.uncertain_tokens as uncertain_tokens, s.uncertain_iterations as uncertain_iterations,
  trim_scale(s.uncertain_usd) as uncertain_usd, s.tokens_unknown + d.lost = 0 as tokens_known,
  s.usd_unknown + d.lost = 0 as usd_known,
  trim_scale(s.usd - s.uncertain_usd) as receipt_usd, trim_scale(s.uncertain_usd) as estimated_usd, s.usd_seals + d.lost as unknown_usd_events,
  s.tokens_unknown + d.lost as unknown_tokens_events,
  s.open_holds + case when p.parent_pool_id is not null and r.outcome is null then 1 else 0 end + d.under_way as open_holds,
  s.first_spend_at
from (
  select u.*, bool_or(u.infra) over (partition by u.tenant_id, u.experiment, u.task, u.replicate) as beside_infra
  from ledger_private.runs u
  where u.experiment is not null
) r
cross join lateral (
  select p.parent_pool_id, p.token_charge from ledger_private.pools p where p.tenant_id = r.tenant_id and p.pool_id = r.run_id offset 0
) p
cross join lateral (
  with recursive tree as (
    select r.run_id as pool_id
    union all
    select c.pool_id
    from tree t
    cross join lateral (
      select p.pool_id from ledger_private.pools p
      where p.tenant_id = r.tenant_id and p.parent_pool_id = t.pool_id
      offset 0
    ) c
  )
  select
    coalesce(sum(j.iterations), 0) as iterations, coalesce(sum(j.input_tokens), 0) as input_tokens,
    coalesce(sum(j.output_tokens), 0) as output_tokens, coalesce(sum(j.cache_read_tokens), 0) as cache_read_tokens,
    coalesce(sum(j.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(j.reasoning_tokens), 0) as reasoning_tokens,
    coalesce(sum(j.charged_tokens), 0) as charged_tokens, coalesce(sum(j.usd), 0) as usd, coalesce(sum(j.ms), 0) as ms,
    coalesce(sum(j.uncertain_tokens), 0) as uncertain_tokens, coalesce(sum(j.uncertain_iterations), 0) as uncertain_iterations,
    coalesce(sum(j.uncertain_usd), 0) as uncertain_usd, coalesce(sum(j.tokens_unknown), 0) as tokens_unknown,
    coalesce(sum(j.usd_unknown), 0) as usd_unknown, coalesce(sum(j.usd_seals), 0) as usd_seals,
    count(*) filter (where j.kind = 'dispatched') as announced,
    min(j.effective_at) filter (
      where j.charged_tokens > 0 or j.usd > 0 or not j.tokens_known or not j.usd_known or j.iterations > 0 or j.ms > 0
        or j.input_tokens > 0 or j.output_tokens > 0 or j.resources is not null
    ) as first_spend_at,
    (
      select coalesce(sum(h.open_holds), 0)
      from tree t
      cross join lateral (
        select h.open_holds from ledger_private.pool_heads h where h.tenant_id = r.tenant_id and h.pool_id = t.pool_id offset 0
      ) h
    ) as open_holds
  from tree t
  cross join lateral (
    select
      j.iterations, j.input_tokens, j.output_tokens, j.cache_read_tokens, j.cache_write_tokens, j.reasoning_tokens, j.charged_tokens, j.usd, j.ms,
      j.uncertain_tokens, j.uncertain_iterations, j.uncertain_usd, j.tokens_unknown, j.usd_unknown, j.usd_seals, j.effective_at, j.tokens_known,
      j.usd_known, j.resources, j.kind
    from ledger_private.history j
    where j.tenant_id = r.tenant_id and j.pool_id = t.pool_id and j.source_pool_id is null
      and (j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected') or (j.kind = 'dispatched' and j.node_id = j.pool_id))
    offset 0
  ) j
) s
cross join lateral (
  select
    case when r.outcome is null then c.calls else 0 end as under_way,
    case when r.outcome is null then 0 else c.calls end as lost
  from (
    select
      case
        when s.announced > 0 then (select count(*) from ledger.calls_in_doubt k where k.tenant_id = r.tenant_id and k.run_id = r.run_id)
        else 0
      end as calls
    offset 0
  ) c
) d;
comment on view ledger.run_costs is 'What each run of an experiment cost, and whether it counts.';
comment on column ledger.run_costs.task is 'null: not stated';
comment on column ledger.run_costs.replicate is 'null: not stated';
comment on column ledger.run_costs.left_out is 'null: it counts; infra: judged so; paired: an infra run has the same task and replicate';
comment on column ledger.run_costs.outcome is 'null: not ended';
comment on column ledger.run_costs.resolved is 'null: not judged';
comment on column ledger.run_costs.first_spend_at is 'null: nothing spent';
revoke all on ledger.run_costs from public;
grant select on ledger.run_costs to ledger_admin, ledger_writer, ledger_auditor;
