-- The operations of a batch, in order, as steps: with the node and the pool each works on, both found by key, and whether it is plain: never what
-- ledger_private.misfit_of_operation rejects and, as far as can be told before balances are moved, neither refused nor wrong. What is not plain may
-- be right all the same; its other columns mean nothing. One select, which the planner puts into the query that asks.
create or replace function ledger_private.steps(p_tenant_id text, p_operations jsonb[], p_priced jsonb[], p_at timestamptz)
returns setof ledger_private.step
language sql
stable
as $$
  select
    f.n::integer, f.op, f.operation, f.priced, f.operation_id, f.effective_at, f.pool_id, f.run_id, f.node_id, f.place,
    case when f.plain then ledger_private.tags_of(f.tags, f.operation -> 'tags') end, f.budget,
    case when f.plain then p_at + (f.operation ->> 'lease_ms')::double precision * interval '1 millisecond' end,
    f.payers, f.tokens_payer, f.iterations_payer, f.usd_payer, f.tokens_wanted, f.iterations_wanted, f.usd_wanted,
    f.iterations, f.input_tokens, f.output_tokens, f.cache_read_tokens, f.cache_write_tokens, f.cache_write_1h_tokens, f.reasoning_tokens,
    f.input_tokens + f.output_tokens - case f.token_charge when 'uncached' then f.cache_read_tokens else 0 end,
    f.usd, f.ms, case when f.usd_known then 0 else coalesce(f.usd, 0) end, f.tokens_unknown, case when f.usd_known then 0 else 1 end,
    case when f.tokens_payer = f.pool_id then coalesce(f.tokens_wanted, -f.tokens_released, 0) else 0 end,
    case when f.iterations_payer = f.pool_id then coalesce(f.iterations_wanted, -f.iterations_released, 0) else 0 end,
    case when f.usd_payer = f.pool_id then coalesce(f.usd_wanted, -f.usd_released, 0) else 0 end,
    coalesce(
      f.pool_state <> 'closed' and f.effective_at <= p_at and case f.op
        when 'spawn' then f.pool_state = 'open' and (p_at >= f.deadline_at) is not true and f.node_id is distinct from f.pool_id
          and f.budget is not null and coalesce(f.paid_by, '{}') - '{tokens,iterations,usd}'::text[] = '{}'
          -- a ceiling for what the pool caps; dollars only where it caps them
          and (f.tokens_payer is distinct from f.pool_id or f.budget ? 'tokens')
          and (f.iterations_payer is distinct from f.pool_id or f.budget ? 'iterations')
          and (f.usd_payer is not distinct from f.pool_id or f.usd_wanted = 0)
          and (select t.frozen_pools = 0 from ledger_private.tenants t where t.tenant_id = p_tenant_id)
        when 'dispatch' then f.status = 'pending'
        else (f.op = 'meter' or (f.status in ('pending', 'dispatched') and not f.driver and f.hold - '{tokens,iterations,usd}'::text[] = '{}'))
          and ledger_private.plain_amounts(
            f.input_tokens, f.output_tokens, f.cache_read_tokens, f.cache_write_tokens, f.cache_write_1h_tokens, f.reasoning_tokens
          )
          -- what was never dispatched and is cancelled costs nothing; after that its ceilings, which the general path charges
          and (f.op <> 'cancel' or f.status = 'pending' or f.operation ? 'spend')
          -- dollars that nobody knows seal who pays for them, unless he only flags them
          and (f.usd is not null or f.usd_payer is null or (f.usd_payer = f.pool_id and f.unknown_usd = 'flag'))
      end,
      false
    )
  from (
    select
      c.n, c.op, c.operation, c.priced, c.operation_id, c.plain, coalesce(c.effective_at, p_at) as effective_at,
      case when c.op = 'meter' then p.pool_id else c.node_id end as node_id, k.place, k.status, k.driver, k.hold,
      p.pool_id, p.run_id, p.state as pool_state, p.deadline_at, p.unknown_usd, p.token_charge, p.payers, p.paid_by,
      case when k.place is null then p.tags else k.tags end as tags, coalesce(c.budget, k.budget) as budget,
      p.paid_by ->> 'tokens' as tokens_payer, p.paid_by ->> 'iterations' as iterations_payer, p.paid_by ->> 'usd' as usd_payer,
      coalesce((c.budget ->> 'tokens')::numeric, case c.op when 'spawn' then 0 end) as tokens_wanted,
      coalesce((c.budget ->> 'iterations')::numeric, case c.op when 'spawn' then 0 end) as iterations_wanted,
      coalesce((c.budget ->> 'usd')::numeric, case c.op when 'spawn' then 0 end) as usd_wanted,
      (k.released ->> 'tokens')::numeric as tokens_released, (k.released ->> 'iterations')::numeric as iterations_released,
      (k.released ->> 'usd')::numeric as usd_released,
      c.iterations, c.input_tokens, c.output_tokens, c.cache_read_tokens, c.cache_write_tokens, c.cache_write_1h_tokens, c.reasoning_tokens, c.ms,
      c.tokens_unknown, c.usd_known, case when c.usd_known then c.usd else coalesce(c.usd, (k.budget ->> 'usd')::numeric) end as usd
    from ledger_private.read_operations(p_operations, p_priced) c
    left join lateral (
      select n.ctid as place, n.parent_node_id, n.status, n.driver, n.hold, n.budget, n.tags, case when c.op <> 'dispatch' then n.hold end as released
      from ledger_private.nodes n
      where c.plain and c.op in ('settle', 'dispatch', 'cancel') and n.tenant_id = p_tenant_id and n.node_id = c.node_id
      limit 1
    ) k on true
    left join lateral (
      select p.pool_id, p.run_id, p.state, p.deadline_at, p.unknown_usd, p.token_charge, p.tags, p.payers, p.paid_by
      from ledger_private.pools p
      where p.tenant_id = p_tenant_id and p.pool_id = coalesce(k.parent_node_id, case when c.plain then c.pool_id end)
      limit 1
    ) p on true
    offset 0
  ) f
$$;
