-- The tree of a run with spend. own: a leaf's ending, a driver's metered turns, with their corrections; a driver's `settled` row and `drawn`
-- rows are transfers, not spend. rolled_up: own and everything below.
-- Only drivers have something below, so only their pools are walked and summed up: each once, whatever the shape of the tree. In tree order (`key`)
-- a driver opens before all below it and closes after them; its rolled-up spend is what has run up between. An only child keeps its parent's key,
-- so a chain's keys do not grow; siblings append their place, one byte or four, none of which begins as the closing one does.
-- What a pool's nodes spent is grouped pool by pool: no aggregate or join here is larger than its input, or depends on what was ever analysed.
-- A path is as long as its node is deep, so paths are a walk of their own, which the planner leaves out where none is asked for.
create or replace view ledger.trajectory
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, x.*
from ledger_private.runs r
cross join lateral (
  with recursive drivers as (
    select r.run_id as pool_id, 0 as depth, '\x'::bytea as key
    union all
    select
      c.pool_id, d.depth + 1,
      case
        when c.siblings = 1 then d.key
        when c.place < 128 then d.key || substring(int4send(c.place::integer) from 4)
        else d.key || int4send((c.place - 2147483648)::integer)
      end
    from drivers d
    cross join lateral (
      select p.pool_id, row_number() over () as place, count(*) over () as siblings
      from ledger_private.pools p
      where p.tenant_id = r.tenant_id and p.parent_pool_id = d.pool_id
    ) c
  ),
  spent as (
    select d.key, d.depth, d.pool_id, s.*
    from drivers d
    cross join lateral (
      with by_node as materialized (
        select
          j.node_id,
          coalesce(sum(j.iterations), 0) as iterations, coalesce(sum(j.input_tokens), 0) as input_tokens,
          coalesce(sum(j.output_tokens), 0) as output_tokens, coalesce(sum(j.cache_read_tokens), 0) as cache_read_tokens,
          coalesce(sum(j.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(j.reasoning_tokens), 0) as reasoning_tokens,
          coalesce(sum(j.charged_tokens), 0) as charged_tokens, coalesce(sum(j.usd), 0) as usd, coalesce(sum(j.ms), 0) as ms,
          coalesce(sum(j.uncertain_tokens), 0) as uncertain_tokens, coalesce(sum(j.uncertain_iterations), 0) as uncertain_iterations,
          coalesce(sum(j.uncertain_usd), 0) as uncertain_usd, coalesce(sum(j.tokens_unknown), 0) as tokens_unknown,
          coalesce(sum(j.usd_unknown), 0) as usd_unknown
        from ledger_private.history j
        where j.tenant_id = r.tenant_id and j.pool_id = d.pool_id
          and j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
        group by j.node_id
      )
      select false as whole, b.* from by_node b
      union all
      select
        true, null,
        sum(b.iterations), sum(b.input_tokens), sum(b.output_tokens), sum(b.cache_read_tokens), sum(b.cache_write_tokens), sum(b.reasoning_tokens),
        sum(b.charged_tokens), sum(b.usd), sum(b.ms), sum(b.uncertain_tokens), sum(b.uncertain_iterations), sum(b.uncertain_usd),
        sum(b.tokens_unknown), sum(b.usd_unknown)
      from by_node b
    ) s
  ),
  edges as (
    select s.*, true as closing, s.key || '\xff'::bytea as at, -s.depth as place from spent s where s.whole
    union all
    select
      s.key, s.depth, s.pool_id, true, null,
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      false, s.key, s.depth
    from spent s where s.whole
  ),
  running as (
    select
      e.pool_id, e.closing,
      sum(e.iterations) over in_tree_order as iterations, sum(e.input_tokens) over in_tree_order as input_tokens,
      sum(e.output_tokens) over in_tree_order as output_tokens, sum(e.cache_read_tokens) over in_tree_order as cache_read_tokens,
      sum(e.cache_write_tokens) over in_tree_order as cache_write_tokens, sum(e.reasoning_tokens) over in_tree_order as reasoning_tokens,
      sum(e.charged_tokens) over in_tree_order as charged_tokens, sum(e.usd) over in_tree_order as usd, sum(e.ms) over in_tree_order as ms,
      sum(e.uncertain_tokens) over in_tree_order as uncertain_tokens, sum(e.uncertain_iterations) over in_tree_order as uncertain_iterations,
      sum(e.uncertain_usd) over in_tree_order as uncertain_usd, sum(e.tokens_unknown) over in_tree_order as tokens_unknown,
      sum(e.usd_unknown) over in_tree_order as usd_unknown
    from edges e
    window in_tree_order as (order by e.at, e.place rows unbounded preceding)
  ),
  rolled as (
    select
      c.pool_id,
      c.iterations - o.iterations as iterations, c.input_tokens - o.input_tokens as input_tokens, c.output_tokens - o.output_tokens as output_tokens,
      c.cache_read_tokens - o.cache_read_tokens as cache_read_tokens, c.cache_write_tokens - o.cache_write_tokens as cache_write_tokens,
      c.reasoning_tokens - o.reasoning_tokens as reasoning_tokens, c.charged_tokens - o.charged_tokens as charged_tokens, c.usd - o.usd as usd,
      c.ms - o.ms as ms, c.uncertain_tokens - o.uncertain_tokens as uncertain_tokens,
      c.uncertain_iterations - o.uncertain_iterations as uncertain_iterations, c.uncertain_usd - o.uncertain_usd as uncertain_usd,
      c.tokens_unknown - o.tokens_unknown as tokens_unknown, c.usd_unknown - o.usd_unknown as usd_unknown
    from running c
    join running o on o.pool_id = c.pool_id and not o.closing
    where c.closing
  ),
  paths as (
    select r.run_id as pool_id, array[r.run_id] as path
    union all
    select c.pool_id, p.path || array[c.pool_id]
    from paths p
    cross join lateral (
      select c.pool_id from ledger_private.pools c
      where c.tenant_id = r.tenant_id and c.parent_pool_id = p.pool_id
      offset 0
    ) c
  ),
  members as (
    select n.node_id, n.parent_node_id, 0 as depth, n.label, n.runtime, n.status
    from ledger_private.nodes n
    where n.tenant_id = r.tenant_id and n.node_id = r.run_id
    union all
    select n.node_id, n.parent_node_id, d.depth + 1, n.label, n.runtime, n.status
    from drivers d
    cross join lateral (
      select n.* from ledger_private.nodes n
      where n.tenant_id = r.tenant_id and n.parent_node_id = d.pool_id
      offset 0
    ) n
  )
  select
    m.node_id, m.parent_node_id, m.depth, coalesce(a.path, '{}') || array[m.node_id] as path, m.label, m.runtime, m.status,
    coalesce(o.iterations, 0) as own_iterations, coalesce(o.input_tokens, 0) as own_input_tokens, coalesce(o.output_tokens, 0) as own_output_tokens,
    coalesce(o.cache_read_tokens, 0) as own_cache_read_tokens, coalesce(o.cache_write_tokens, 0) as own_cache_write_tokens,
    coalesce(o.reasoning_tokens, 0) as own_reasoning_tokens, coalesce(o.charged_tokens, 0) as own_charged_tokens,
    coalesce(trim_scale(o.usd), 0) as own_usd, coalesce(o.ms, 0) as own_ms, coalesce(o.uncertain_tokens, 0) as own_uncertain_tokens,
    coalesce(o.uncertain_iterations, 0) as own_uncertain_iterations, coalesce(trim_scale(o.uncertain_usd), 0) as own_uncertain_usd,
    coalesce(w.iterations, o.iterations, 0) as rolled_up_iterations, coalesce(w.input_tokens, o.input_tokens, 0) as rolled_up_input_tokens,
    coalesce(w.output_tokens, o.output_tokens, 0) as rolled_up_output_tokens,
    coalesce(w.cache_read_tokens, o.cache_read_tokens, 0) as rolled_up_cache_read_tokens,
    coalesce(w.cache_write_tokens, o.cache_write_tokens, 0) as rolled_up_cache_write_tokens,
    coalesce(w.reasoning_tokens, o.reasoning_tokens, 0) as rolled_up_reasoning_tokens,
    coalesce(w.charged_tokens, o.charged_tokens, 0) as rolled_up_charged_tokens, coalesce(trim_scale(coalesce(w.usd, o.usd)), 0) as rolled_up_usd,
    coalesce(w.ms, o.ms, 0) as rolled_up_ms, coalesce(w.uncertain_tokens, o.uncertain_tokens, 0) as rolled_up_uncertain_tokens,
    coalesce(w.uncertain_iterations, o.uncertain_iterations, 0) as rolled_up_uncertain_iterations,
    coalesce(trim_scale(coalesce(w.uncertain_usd, o.uncertain_usd)), 0) as rolled_up_uncertain_usd,
    coalesce(w.tokens_unknown, o.tokens_unknown, 0) = 0 as rolled_up_tokens_known,
    coalesce(w.usd_unknown, o.usd_unknown, 0) = 0 as rolled_up_usd_known
  from members m
  left join spent o on o.node_id = m.node_id and not o.whole
  left join rolled w on w.pool_id = m.node_id
  left join (select p.pool_id, max(p.path) as path from paths p group by p.pool_id) a on a.pool_id = m.parent_node_id
  offset 0
) x;
comment on view ledger.trajectory is 'The tree of each run with own and rolled-up spend.';
comment on column ledger.trajectory.parent_node_id is 'null: at the top';
comment on column ledger.trajectory.runtime is 'null: not stated';
revoke all on ledger.trajectory from public;
grant select on ledger.trajectory to ledger_admin, ledger_writer, ledger_auditor;
