-- The outcomes of two arms beside each other, only where the experiment's gate is equal for `all`; else everything but verdict and reason is null.
-- Counted are the runs that count, the last one of each (task, replicate) in an arm. errored: ended down or cancelled; rate: resolved of those
-- resolved or not. Pairs are judged on both sides and errored on none; p_value: exact two-sided sign test on those where only one resolved.
-- Raises: LG009, LG012, LG001 (p_tolerance), LG010, LG001 (an arm that is not there).
create or replace function ledger.compare_arms(
  p_tenant_id text,
  p_experiment text,
  p_arm_a text,
  p_arm_b text,
  p_tolerance numeric default 0.05
)
returns table (
  experiment text,
  arm_a text,
  arm_b text,
  verdict text,
  reason text,
  runs_a bigint,
  runs_b bigint,
  errored_a bigint,
  errored_b bigint,
  unjudged_a bigint,
  unjudged_b bigint,
  resolved_a bigint,
  resolved_b bigint,
  rate_a numeric,
  rate_b numeric,
  pairs bigint,
  both_resolved bigint,
  only_a bigint,
  only_b bigint,
  neither bigint,
  p_value numeric
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_gate record;
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  select g.verdict, g.reason, g.arms into v_gate
  from ledger_private.gate(p_tenant_id, p_experiment, p_tolerance, false) g where g.channel = 'all';
  perform ledger_private.assert_arms(v_gate.arms, p_arm_a, p_arm_b);
  return query
  select
    p_experiment, p_arm_a, p_arm_b, v_gate.verdict, v_gate.reason, c.runs_a, c.runs_b, c.errored_a, c.errored_b, c.unjudged_a, c.unjudged_b,
    c.resolved_a, c.resolved_b, ledger_private.fraction_of(c.resolved_a, c.runs_a - c.errored_a - c.unjudged_a),
    ledger_private.fraction_of(c.resolved_b, c.runs_b - c.errored_b - c.unjudged_b),
    c.both_resolved + c.only_a + c.only_b + c.neither, c.both_resolved, c.only_a, c.only_b, c.neither,
    ledger_private.sign_test(c.only_a, c.only_b)
  from (select) one
  left join ledger_private.outcomes_of(p_tenant_id, p_experiment, p_arm_a, p_arm_b) c on v_gate.verdict = 'equal';
end;
$$;
comment on function ledger.compare_arms(text, text, text, text, numeric) is 'Outcomes of two arms, paired; refused unless the gate is equal.';
revoke all on function ledger.compare_arms(text, text, text, text, numeric) from public;
grant execute on function ledger.compare_arms(text, text, text, text, numeric) to ledger_admin, ledger_writer, ledger_auditor;
