-- The paired outcomes of two arms, counted (ledger_private.paired_runs).
create or replace function ledger_private.outcomes_of(
  p_tenant_id text,
  p_experiment text,
  p_arm_a text,
  p_arm_b text
)
returns table (
  runs_a bigint,
  runs_b bigint,
  errored_a bigint,
  errored_b bigint,
  unjudged_a bigint,
  unjudged_b bigint,
  resolved_a bigint,
  resolved_b bigint,
  both_resolved bigint,
  only_a bigint,
  only_b bigint,
  neither bigint
)
language plpgsql
stable
rows 1
as $$
begin
  return query
  select
    count(p.state_a), count(p.state_b),
    count(*) filter (where p.state_a = 'errored'), count(*) filter (where p.state_b = 'errored'),
    count(*) filter (where p.state_a = 'unjudged'), count(*) filter (where p.state_b = 'unjudged'),
    count(*) filter (where p.state_a = 'resolved'), count(*) filter (where p.state_b = 'resolved'),
    count(*) filter (where p.state_a = 'resolved' and p.state_b = 'resolved'),
    count(*) filter (where p.state_a = 'resolved' and p.state_b = 'unresolved'),
    count(*) filter (where p.state_a = 'unresolved' and p.state_b = 'resolved'),
    count(*) filter (where p.state_a = 'unresolved' and p.state_b = 'unresolved')
  from ledger_private.paired_runs(p_tenant_id, p_experiment, p_arm_a, p_arm_b) p;
end;
$$;
