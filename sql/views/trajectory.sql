-- The tree of a run with spend. own: a leaf's ending, a driver's metered turns, with their corrections; a driver's `settled` row and `drawn`
-- rows are transfers, not spend. rolled_up: own and everything below. Children are found per parent by index; the roll-up is one running sum
-- over the nodes in tree order, where a node opens at its key and closes above all keys below it.
create or replace view ledger.trajectory
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, x.*
from ledger_private.runs r
cross join lateral (
  with recursive tree as (
    select
      n.node_id, n.parent_node_id, 0 as depth, array[n.node_id] as path, n.label, n.runtime, n.status, n.driver, '\x'::bytea as key
    from ledger_private.nodes n
    where n.tenant_id = r.tenant_id and n.node_id = r.run_id
    union all
    select
      c.node_id, c.parent_node_id, t.depth + 1, t.path || c.node_id, c.label, c.runtime, c.status, c.driver,
      t.key || int4send((row_number() over ())::integer)
    from tree t
    cross join lateral (
      select n.* from ledger_private.nodes n
      where n.tenant_id = r.tenant_id and n.parent_node_id = t.node_id and t.driver
      offset 0
    ) c
  ),
  own as (
    select
      j.node_id, coalesce(sum(j.iterations), 0) as iterations, coalesce(sum(j.input_tokens), 0) as input_tokens,
      coalesce(sum(j.output_tokens), 0) as output_tokens, coalesce(sum(j.cache_read_tokens), 0) as cache_read_tokens,
      coalesce(sum(j.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(j.reasoning_tokens), 0) as reasoning_tokens,
      coalesce(sum(j.charged_tokens), 0) as charged_tokens, coalesce(sum(j.usd), 0) as usd, coalesce(sum(j.ms), 0) as ms,
      coalesce(sum(j.uncertain_tokens), 0) as uncertain_tokens, coalesce(sum(j.uncertain_iterations), 0) as uncertain_iterations,
      coalesce(sum(j.uncertain_usd), 0) as uncertain_usd, coalesce(sum(j.tokens_unknown), 0) as tokens_unknown,
      coalesce(sum(j.usd_unknown), 0) as usd_unknown
    from tree t
    cross join lateral (
      select j.* from ledger_private.journal j
      where j.tenant_id = r.tenant_id and j.pool_id = t.node_id and t.driver
        and j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
      offset 0
    ) j
    group by j.node_id
  ),
  edges as (
    select
      t.key, t.node_id, 1 as sign, coalesce(o.iterations, 0) as iterations, coalesce(o.input_tokens, 0) as input_tokens,
      coalesce(o.output_tokens, 0) as output_tokens, coalesce(o.cache_read_tokens, 0) as cache_read_tokens,
      coalesce(o.cache_write_tokens, 0) as cache_write_tokens, coalesce(o.reasoning_tokens, 0) as reasoning_tokens,
      coalesce(o.charged_tokens, 0) as charged_tokens, coalesce(o.usd, 0) as usd, coalesce(o.ms, 0) as ms,
      coalesce(o.uncertain_tokens, 0) as uncertain_tokens, coalesce(o.uncertain_iterations, 0) as uncertain_iterations,
      coalesce(o.uncertain_usd, 0) as uncertain_usd, coalesce(o.tokens_unknown, 0) as tokens_unknown,
      coalesce(o.usd_unknown, 0) as usd_unknown
    from tree t
    left join own o on o.node_id = t.node_id
    union all
    select
      t.key || '\xff'::bytea, t.node_id, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from tree t
  ),
  running as (
    select
      e.node_id, e.sign,
      e.iterations as own_iterations, e.input_tokens as own_input_tokens, e.output_tokens as own_output_tokens,
      e.cache_read_tokens as own_cache_read_tokens, e.cache_write_tokens as own_cache_write_tokens,
      e.reasoning_tokens as own_reasoning_tokens, e.charged_tokens as own_charged_tokens, e.usd as own_usd, e.ms as own_ms,
      e.uncertain_tokens as own_uncertain_tokens, e.uncertain_iterations as own_uncertain_iterations,
      e.uncertain_usd as own_uncertain_usd, e.tokens_unknown as own_tokens_unknown, e.usd_unknown as own_usd_unknown,
      sum(e.iterations) over in_tree_order as iterations, sum(e.input_tokens) over in_tree_order as input_tokens,
      sum(e.output_tokens) over in_tree_order as output_tokens, sum(e.cache_read_tokens) over in_tree_order as cache_read_tokens,
      sum(e.cache_write_tokens) over in_tree_order as cache_write_tokens, sum(e.reasoning_tokens) over in_tree_order as reasoning_tokens,
      sum(e.charged_tokens) over in_tree_order as charged_tokens, sum(e.usd) over in_tree_order as usd,
      sum(e.ms) over in_tree_order as ms, sum(e.uncertain_tokens) over in_tree_order as uncertain_tokens,
      sum(e.uncertain_iterations) over in_tree_order as uncertain_iterations, sum(e.uncertain_usd) over in_tree_order as uncertain_usd,
      sum(e.tokens_unknown) over in_tree_order as tokens_unknown, sum(e.usd_unknown) over in_tree_order as usd_unknown
    from edges e
    window in_tree_order as (order by e.key rows unbounded preceding)
  ),
  rolled as (
    select
      u.node_id,
      sum(u.own_iterations) as own_iterations, sum(u.own_input_tokens) as own_input_tokens,
      sum(u.own_output_tokens) as own_output_tokens, sum(u.own_cache_read_tokens) as own_cache_read_tokens,
      sum(u.own_cache_write_tokens) as own_cache_write_tokens, sum(u.own_reasoning_tokens) as own_reasoning_tokens,
      sum(u.own_charged_tokens) as own_charged_tokens, sum(u.own_usd) as own_usd, sum(u.own_ms) as own_ms,
      sum(u.own_uncertain_tokens) as own_uncertain_tokens, sum(u.own_uncertain_iterations) as own_uncertain_iterations,
      sum(u.own_uncertain_usd) as own_uncertain_usd, sum(u.own_tokens_unknown) as own_tokens_unknown,
      sum(u.own_usd_unknown) as own_usd_unknown,
      sum(u.own_iterations - u.sign * u.iterations) as iterations, sum(u.own_input_tokens - u.sign * u.input_tokens) as input_tokens,
      sum(u.own_output_tokens - u.sign * u.output_tokens) as output_tokens,
      sum(u.own_cache_read_tokens - u.sign * u.cache_read_tokens) as cache_read_tokens,
      sum(u.own_cache_write_tokens - u.sign * u.cache_write_tokens) as cache_write_tokens,
      sum(u.own_reasoning_tokens - u.sign * u.reasoning_tokens) as reasoning_tokens,
      sum(u.own_charged_tokens - u.sign * u.charged_tokens) as charged_tokens, sum(u.own_usd - u.sign * u.usd) as usd,
      sum(u.own_ms - u.sign * u.ms) as ms, sum(u.own_uncertain_tokens - u.sign * u.uncertain_tokens) as uncertain_tokens,
      sum(u.own_uncertain_iterations - u.sign * u.uncertain_iterations) as uncertain_iterations,
      sum(u.own_uncertain_usd - u.sign * u.uncertain_usd) as uncertain_usd,
      sum(u.own_tokens_unknown - u.sign * u.tokens_unknown) as tokens_unknown,
      sum(u.own_usd_unknown - u.sign * u.usd_unknown) as usd_unknown
    from running u
    group by u.node_id
  )
  select
    t.node_id, t.parent_node_id, t.depth, t.path, t.label, t.runtime, t.status,
    w.own_iterations as own_iterations, w.own_input_tokens as own_input_tokens, w.own_output_tokens as own_output_tokens,
    w.own_cache_read_tokens as own_cache_read_tokens, w.own_cache_write_tokens as own_cache_write_tokens,
    w.own_reasoning_tokens as own_reasoning_tokens, w.own_charged_tokens as own_charged_tokens, trim_scale(w.own_usd) as own_usd,
    w.own_ms as own_ms, w.own_uncertain_tokens as own_uncertain_tokens, w.own_uncertain_iterations as own_uncertain_iterations,
    trim_scale(w.own_uncertain_usd) as own_uncertain_usd,
    w.iterations as rolled_up_iterations, w.input_tokens as rolled_up_input_tokens, w.output_tokens as rolled_up_output_tokens,
    w.cache_read_tokens as rolled_up_cache_read_tokens, w.cache_write_tokens as rolled_up_cache_write_tokens,
    w.reasoning_tokens as rolled_up_reasoning_tokens, w.charged_tokens as rolled_up_charged_tokens, trim_scale(w.usd) as rolled_up_usd,
    w.ms as rolled_up_ms, w.uncertain_tokens as rolled_up_uncertain_tokens, w.uncertain_iterations as rolled_up_uncertain_iterations,
    trim_scale(w.uncertain_usd) as rolled_up_uncertain_usd,
    w.tokens_unknown = 0 as rolled_up_tokens_known, w.usd_unknown = 0 as rolled_up_usd_known
  from tree t
  join rolled w on w.node_id = t.node_id
) x;
comment on view ledger.trajectory is 'The tree of each run with own and rolled-up spend.';
comment on column ledger.trajectory.parent_node_id is 'null: at the top';
comment on column ledger.trajectory.runtime is 'null: not stated';
revoke all on ledger.trajectory from public;
grant select on ledger.trajectory to ledger_admin, ledger_writer, ledger_auditor;
