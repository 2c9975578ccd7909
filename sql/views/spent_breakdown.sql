-- What a run spent: three rows, driver inference (metered), child work (leaves), total; also while the run is live. Pools of the run are
-- walked, not its leaves. receipt_usd was charged with a receipt, estimated_usd without (a price, a ceiling); unknown_usd_events: uncorrected
-- events that were charged no dollars because nobody could price them.
create or replace view ledger.spent_breakdown
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, s.source,
  s.iterations as iterations, s.input_tokens as input_tokens, s.output_tokens as output_tokens, s.cache_read_tokens as cache_read_tokens,
  s.cache_write_tokens as cache_write_tokens, s.reasoning_tokens as reasoning_tokens, s.charged_tokens as charged_tokens,
  trim_scale(s.usd) as usd, s.ms as ms, s.uncertain_tokens as uncertain_tokens, s.uncertain_iterations as uncertain_iterations,
  trim_scale(s.uncertain_usd) as uncertain_usd,
  s.tokens_unknown = 0 as tokens_known, s.usd_unknown = 0 as usd_known,
  trim_scale(s.usd - s.uncertain_usd) as receipt_usd, trim_scale(s.uncertain_usd) as estimated_usd, s.usd_seals::bigint as unknown_usd_events
from ledger_private.runs r
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
  ),
  own as (
    select
      case when j.node_id = j.pool_id then 'driver_inference' else 'child_work' end as source,
      coalesce(sum(j.iterations), 0) as iterations, coalesce(sum(j.input_tokens), 0) as input_tokens,
      coalesce(sum(j.output_tokens), 0) as output_tokens, coalesce(sum(j.cache_read_tokens), 0) as cache_read_tokens,
      coalesce(sum(j.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(j.reasoning_tokens), 0) as reasoning_tokens,
      coalesce(sum(j.charged_tokens), 0) as charged_tokens, coalesce(sum(j.usd), 0) as usd, coalesce(sum(j.ms), 0) as ms,
      coalesce(sum(j.uncertain_tokens), 0) as uncertain_tokens, coalesce(sum(j.uncertain_iterations), 0) as uncertain_iterations,
      coalesce(sum(j.uncertain_usd), 0) as uncertain_usd, coalesce(sum(j.tokens_unknown), 0) as tokens_unknown,
      coalesce(sum(j.usd_unknown), 0) as usd_unknown, coalesce(sum(j.usd_seals), 0) as usd_seals
    from tree t
    cross join lateral (
      select j.* from ledger_private.history j
      where j.tenant_id = r.tenant_id and j.pool_id = t.pool_id
        and j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
      offset 0
    ) j
    group by 1
  )
  select
    v.source, coalesce(sum(o.iterations), 0) as iterations, coalesce(sum(o.input_tokens), 0) as input_tokens,
    coalesce(sum(o.output_tokens), 0) as output_tokens, coalesce(sum(o.cache_read_tokens), 0) as cache_read_tokens,
    coalesce(sum(o.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(o.reasoning_tokens), 0) as reasoning_tokens,
    coalesce(sum(o.charged_tokens), 0) as charged_tokens, coalesce(sum(o.usd), 0) as usd, coalesce(sum(o.ms), 0) as ms,
    coalesce(sum(o.uncertain_tokens), 0) as uncertain_tokens, coalesce(sum(o.uncertain_iterations), 0) as uncertain_iterations,
    coalesce(sum(o.uncertain_usd), 0) as uncertain_usd, coalesce(sum(o.tokens_unknown), 0) as tokens_unknown,
    coalesce(sum(o.usd_unknown), 0) as usd_unknown, coalesce(sum(o.usd_seals), 0) as usd_seals
  from (values ('driver_inference', 1), ('child_work', 2), ('total', 3)) v (source, place)
  left join own o on o.source = v.source or v.source = 'total'
  group by v.source, v.place
) s;
comment on view ledger.spent_breakdown is 'Three rows per run: driver_inference, child_work, total.';
revoke all on ledger.spent_breakdown from public;
grant select on ledger.spent_breakdown to ledger_admin, ledger_writer, ledger_auditor;
