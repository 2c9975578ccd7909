-- How the runs of two arms ended, run by run of those that count: the last run of each (task, replicate) in an arm (by opening, then by id), its
-- pair in the other arm by the same (task, replicate), null being a value. state: resolved, unresolved, errored (ended down or cancelled), unjudged.
create or replace function ledger_private.paired_runs(
  p_tenant_id text,
  p_experiment text,
  p_arm_a text,
  p_arm_b text
)
returns table (
  state_a text,
  state_b text
)
language plpgsql
stable
as $$
begin
  return query
  with ended as (
    select distinct on (c.arm, c.task, c.replicate)
      c.arm, to_jsonb(array[c.task, c.replicate]) as cell,
      case
        when c.outcome in ('down', 'cancelled') then 'errored'
        when c.resolved is null then 'unjudged'
        when c.resolved then 'resolved'
        else 'unresolved'
      end as state
    from ledger.run_costs c
    where c.tenant_id = p_tenant_id and c.experiment = p_experiment and c.left_out is null
    order by c.arm, c.task, c.replicate, c.opened_at desc, c.run_id collate "C" desc
  )
  select a.state, b.state
  from (select e.cell, e.state from ended e where e.arm = p_arm_a) a
  full join (select e.cell, e.state from ended e where e.arm = p_arm_b) b on b.cell = a.cell;
end;
$$;
