-- What a gate compares, one row per part of the experiment (the whole, or a task), arm and channel (tokens, usd, all): the cost of the runs that
-- count, what is open or unsure about them, and what was left out. doubt: as ledger_private.gate_doubt. cells: different (task, replicate) of the
-- arm; part_cells: of all arms. part: as in ledger_private.gate_costs. A part has rows if a run of it counts, and then for every arm.
-- first_spend_at: of the whole experiment, what was left out too.
create or replace function ledger_private.gate_sides(p_tenant_id text, p_experiment text, p_by_task boolean)
returns table (
  part text,
  arm text,
  channel text,
  runs bigint,
  amount numeric,
  cost jsonb,
  cells bigint,
  part_cells bigint,
  open_holds numeric,
  unsure bigint,
  doubt jsonb,
  unit_low text,
  unit_high text,
  nodes jsonb,
  nodes_total bigint,
  left_out jsonb,
  first_spend_at timestamptz
)
language plpgsql
stable
as $$
begin
  return query
  with costs as materialized (select * from ledger_private.gate_costs(p_tenant_id, p_experiment, p_by_task)),
  kept as (
    select
      c.part, c.arm, count(*) as runs, sum(c.tokens) as tokens, sum(c.usd) as usd, sum(c.iterations) as iterations, sum(c.ms) as ms,
      sum(c.open_holds) as open_holds, count(*) filter (where c.tokens_unsure) as tokens_unsure,
      count(*) filter (where c.usd_unsure) as usd_unsure, min(c.token_charge) as unit_low, max(c.token_charge) as unit_high,
      count(distinct c.cell) as cells, sum(c.tokens_estimated) as tokens_estimated, sum(c.usd_estimated) as usd_estimated,
      sum(c.tokens_unknown) as tokens_unknown, sum(c.usd_unknown) as usd_unknown
    from costs c where c.left_out is null group by c.part, c.arm
  ),
  parts as (
    select c.part, count(distinct c.cell) as cells from costs c where c.left_out is null group by c.part
  ),
  listed as (
    select c.part, c.arm, h.channel, jsonb_agg(jsonb_build_object(
      'run_id', c.run_id, 'task', c.task, 'replicate', c.replicate, 'reason', c.left_out,
      'cost', ledger_private.gate_cost(h.channel, c.tokens, c.usd, c.iterations, c.ms)
    ) order by c.run_id collate "C") as left_out
    from costs c cross join (values ('tokens'), ('usd'), ('all')) h (channel)
    where c.left_out is not null group by c.part, c.arm, h.channel
  ),
  troubled as (
    select t.*
    from (
      select array_agg(c.run_id) as run_ids, array_agg(c.part) as parts, array_agg(c.arm) as arms
      from costs c where c.left_out is null and (c.open_holds > 0 or c.tokens_unsure or c.usd_unsure)
    ) u
    cross join lateral ledger_private.gate_troubles(p_tenant_id, u.run_ids, u.parts, u.arms) t
  )
  select
    p.part, a.arm, h.channel, coalesce(k.runs, 0), case h.channel when 'tokens' then coalesce(k.tokens, 0) when 'usd' then coalesce(k.usd, 0) end,
    ledger_private.gate_cost(h.channel, k.tokens, k.usd, k.iterations, k.ms), coalesce(k.cells, 0), p.cells, coalesce(k.open_holds, 0),
    coalesce(case h.channel when 'tokens' then k.tokens_unsure when 'usd' then k.usd_unsure end, 0),
    ledger_private.gate_doubt(h.channel, k.tokens_estimated, k.tokens_unknown, k.usd_estimated, k.usd_unknown), k.unit_low, k.unit_high,
    coalesce(t.nodes, '[]'), coalesce(t.nodes_total, 0), coalesce(l.left_out, '[]'), f.first_spend_at
  from parts p
  cross join (select min(c.first_spend_at) as first_spend_at from costs c) f
  cross join (select distinct c.arm from costs c) a
  cross join (values ('tokens'), ('usd'), ('all')) h (channel)
  left join kept k on k.part = p.part and k.arm = a.arm
  left join listed l on l.part = p.part and l.arm = a.arm and l.channel = h.channel
  left join troubled t on t.part = p.part and t.arm = a.arm and t.channel = h.channel;
end;
$$;
