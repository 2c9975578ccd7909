-- What steps do to balances, pool by pool: each to its own pool, and to each other pool that pays for it, which gets a `drawn` row; for a spawn that
-- is only the question whether there is room. wanted: what must be free there at that moment, null where nothing is asked. One select, which the
-- planner puts into the query that asks.
create or replace function ledger_private.entries(p_steps ledger_private.step[])
returns setof ledger_private.entry
language sql
immutable
as $$
  select *
  from (
    select
      s.n, a.pool_id, a.pool_id <> s.pool_id, a.pool_id = s.pool_id or s.op <> 'spawn', s.op = 'spawn',
      a.pool_id = s.pool_id and s.op in ('settle', 'cancel'), s.lease_at,
      case when s.tokens_payer = a.pool_id then s.tokens_wanted end as tokens_wanted,
      case when s.iterations_payer = a.pool_id then s.iterations_wanted end as iterations_wanted,
      case when s.usd_payer = a.pool_id then s.usd_wanted end as usd_wanted,
      case when a.pool_id = s.pool_id then s.tokens_held else 0 end as tokens_held,
      case when a.pool_id = s.pool_id then s.iterations_held else 0 end as iterations_held,
      case when a.pool_id = s.pool_id then s.usd_held else 0 end as usd_held,
      case when a.pool_id = s.pool_id or s.tokens_payer = a.pool_id then coalesce(s.charged_tokens, 0) else 0 end as tokens_spent,
      case when a.pool_id = s.pool_id or s.iterations_payer = a.pool_id then coalesce(s.iterations, 0) else 0 end as iterations_spent,
      case when a.pool_id = s.pool_id or s.usd_payer = a.pool_id then coalesce(s.usd, 0) else 0 end as usd_spent,
      case when a.pool_id = s.pool_id or s.usd_payer = a.pool_id then s.uncertain_usd else 0 end as usd_uncertain,
      case when a.pool_id = s.pool_id or s.tokens_payer = a.pool_id then s.tokens_unknown else 0 end as tokens_unknown,
      case when a.pool_id = s.pool_id or s.usd_payer = a.pool_id then s.usd_unknown else 0 end as usd_unknown
    from unnest(p_steps) s
    cross join lateral (select unnest(s.pool_id || s.payers) as pool_id) a
    offset 0
  ) e (
    n, pool_id, drawn, booked, spawns, ends, lease_at, tokens_wanted, iterations_wanted, usd_wanted, tokens_held, iterations_held, usd_held,
    tokens_spent, iterations_spent, usd_spent, usd_uncertain, tokens_unknown, usd_unknown
  )
  where not e.drawn or e.spawns or e.tokens_spent <> 0 or e.iterations_spent <> 0 or e.usd_spent <> 0 or e.tokens_unknown <> 0
    or e.usd_unknown <> 0
$$;
