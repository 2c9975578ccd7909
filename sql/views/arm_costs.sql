-- What the arms of experiments cost, one row per arm, over the runs that count (ledger.run_costs); what was left out stands apart.
-- errored: ended down or cancelled; judged and resolved runs are those that are not.
create or replace view ledger.arm_costs
with (security_invoker = true)
as
select
  c.tenant_id, c.experiment, c.arm,
  count(*) filter (where c.left_out is null) as runs, count(*) filter (where c.left_out is not null) as left_out_runs,
  coalesce(sum(c.iterations) filter (where c.left_out is null), 0) as iterations,
  coalesce(sum(c.input_tokens) filter (where c.left_out is null), 0) as input_tokens,
  coalesce(sum(c.output_tokens) filter (where c.left_out is null), 0) as output_tokens,
  coalesce(sum(c.cache_read_tokens) filter (where c.left_out is null), 0) as cache_read_tokens,
  coalesce(sum(c.cache_write_tokens) filter (where c.left_out is null), 0) as cache_write_tokens,
  coalesce(sum(c.reasoning_tokens) filter (where c.left_out is null), 0) as reasoning_tokens,
  coalesce(sum(c.charged_tokens) filter (where c.left_out is null), 0) as charged_tokens,
  trim_scale(coalesce(sum(c.usd) filter (where c.left_out is null), 0)) as usd,
  coalesce(sum(c.ms) filter (where c.left_out is null), 0) as ms,
  coalesce(sum(c.uncertain_tokens) filter (where c.left_out is null), 0) as uncertain_tokens,
  coalesce(sum(c.uncertain_iterations) filter (where c.left_out is null), 0) as uncertain_iterations,
  trim_scale(coalesce(sum(c.uncertain_usd) filter (where c.left_out is null), 0)) as uncertain_usd,
  coalesce(bool_and(c.tokens_known) filter (where c.left_out is null), true) as tokens_known,
  coalesce(bool_and(c.usd_known) filter (where c.left_out is null), true) as usd_known,
  trim_scale(coalesce(sum(c.receipt_usd) filter (where c.left_out is null), 0)) as receipt_usd,
  trim_scale(coalesce(sum(c.estimated_usd) filter (where c.left_out is null), 0)) as estimated_usd,
  coalesce(sum(c.unknown_usd_events) filter (where c.left_out is null), 0) as unknown_usd_events,
  coalesce(sum(c.unknown_tokens_events) filter (where c.left_out is null), 0) as unknown_tokens_events,
  coalesce(sum(c.open_holds) filter (where c.left_out is null), 0) as open_holds,
  case when min(c.token_charge) = max(c.token_charge) then min(c.token_charge) end as token_charge,
  count(*) filter (where c.left_out is null and c.resolved and c.outcome is distinct from 'down' and c.outcome is distinct from 'cancelled')
    as resolved_runs,
  count(*) filter (
    where c.left_out is null and c.resolved is not null and c.outcome is distinct from 'down' and c.outcome is distinct from 'cancelled'
  ) as judged_runs,
  count(*) filter (where c.left_out is null and c.outcome in ('down', 'cancelled')) as errored_runs,
  coalesce(sum(c.charged_tokens) filter (where c.left_out is not null), 0) as left_out_charged_tokens,
  trim_scale(coalesce(sum(c.usd) filter (where c.left_out is not null), 0)) as left_out_usd
from ledger.run_costs c
group by c.tenant_id, c.experiment, c.arm;
comment on view ledger.arm_costs is 'What the arms of experiments cost, over the runs that count.';
comment on column ledger.arm_costs.token_charge is 'null: mixed, its runs count tokens in different units';
revoke all on ledger.arm_costs from public;
grant select on ledger.arm_costs to ledger_admin, ledger_writer, ledger_auditor;
