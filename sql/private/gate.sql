-- The verdicts of an experiment, whole (p_by_task false: task is null) or task by task: three rows each, tokens, usd, all. `all` is decided by the
-- worst reason of the two. Spread, median and fraction are null for it, and where arms count tokens in different units.
-- Raises: LG001 (p_tolerance), LG010.
create or replace function ledger_private.gate(
  p_tenant_id text,
  p_experiment text,
  p_tolerance numeric,
  p_by_task boolean
)
returns table (
  task text,
  channel text,
  verdict text,
  spread numeric,
  median numeric,
  fraction numeric,
  tolerance numeric,
  reason text,
  arms jsonb,
  plan jsonb
)
language plpgsql
stable
as $$
begin
  if (p_tolerance between 0 and 1) is not true then
    perform ledger_private.raise_error('LG001', '{"path": "p_tolerance", "rule": "must be a number from 0 to 1"}');
  end if;
  return query
  with seen as materialized (select * from ledger_private.gate_sides(p_tenant_id, p_experiment, p_by_task)),
  sides as (
    select
      s.part, s.channel, array_agg(s.amount order by s.amount) as amounts, bool_or(s.open_holds > 0) as open, bool_or(s.unsure > 0) as unsure,
      bool_or(s.cells <> s.part_cells) as unbalanced, s.channel <> 'usd' and min(s.unit_low) <> max(s.unit_high) as mixed,
      jsonb_agg(jsonb_build_object(
        'arm', s.arm, 'runs', s.runs, 'cost', s.cost, 'open_holds', s.open_holds, 'nodes', s.nodes, 'nodes_total', s.nodes_total,
        'left_out', s.left_out
      ) || s.doubt order by s.arm collate "C") as arms
    from seen s
    group by s.part, s.channel
  ),
  compared as (
    select s.*, case when s.channel <> 'all' then ledger_private.gate_reason(
      s.open, s.unsure, s.unbalanced, s.mixed, s.amounts[cardinality(s.amounts)] - s.amounts[1], ledger_private.median_of(s.amounts), p_tolerance
    ) end as reason
    from sides s
  ),
  decided as (
    select
      c.part, c.channel, c.arms, m.spread, m.median,
      case when c.channel <> 'all' then c.reason else first_value(c.reason) over (
        partition by c.part order by ledger_private.gate_rank(c.reason) nulls last
      ) end as reason
    from compared c
    cross join lateral (
      select
        case when not c.mixed then c.amounts[cardinality(c.amounts)] - c.amounts[1] end as spread,
        case when not c.mixed then ledger_private.median_of(c.amounts) end as median
      offset 0
    ) m
  )
  select
    substr(nullif(d.part, ''), 2), d.channel, ledger_private.gate_verdict(d.reason), trim_scale(d.spread), d.median,
    ledger_private.fraction_of(d.spread, d.median), trim_scale(p_tolerance), d.reason, d.arms, n.plan
  from decided d
  cross join (select ledger_private.gate_plan(p_tenant_id, p_experiment, min(s.first_spend_at)) as plan from seen s) n
  order by d.part collate "C", array_position(array['tokens', 'usd', 'all'], d.channel);
  if not found then
    perform ledger_private.raise_error('LG010', jsonb_build_object('experiment', p_experiment));
  end if;
end;
$$;
