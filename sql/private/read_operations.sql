-- The operations of a batch, in order, each read once and from the inside out: its texts, whether it is plain (ledger_private.plain_operation),
-- and what only then may be cast. p_priced: the operations with what they are estimated to cost. One select, which the planner puts into the
-- query that asks; offset 0 keeps it from working out the same twice.
create or replace function ledger_private.read_operations(p_operations jsonb[], p_priced jsonb[])
returns table (
  n bigint,
  op text,
  operation jsonb,
  priced jsonb,
  operation_id text,
  pool_id text,
  node_id text,
  plain boolean,
  effective_at timestamptz,
  budget jsonb,
  iterations numeric,
  input_tokens numeric,
  output_tokens numeric,
  cache_read_tokens numeric,
  cache_write_tokens numeric,
  cache_write_1h_tokens numeric,
  reasoning_tokens numeric,
  ms numeric,
  usd numeric,
  usd_known boolean,
  tokens_unknown integer
)
language sql
stable
as $$
  select
    g.n, g.op, g.operation, g.priced, g.operation_id, g.pool_id, g.node_id, g.plain,
    case when g.plain then (g.operation ->> 'effective_at')::timestamptz end, g.budget,
    (g.spend ->> 'iterations')::numeric, (g.spend ->> 'input_tokens')::numeric, (g.spend ->> 'output_tokens')::numeric,
    coalesce((g.spend ->> 'cache_read_tokens')::numeric, 0), coalesce((g.spend ->> 'cache_write_tokens')::numeric, 0),
    coalesce((g.spend ->> 'cache_write_1h_tokens')::numeric, 0), coalesce((g.spend ->> 'reasoning_tokens')::numeric, 0),
    coalesce((g.spend ->> 'ms')::numeric, 0), (g.spend ->> 'usd')::numeric, coalesce((g.spend ->> 'usd_known')::boolean, true),
    case when (g.spend ->> 'tokens_known')::boolean is false then 1 else 0 end
  from (
    select
      e.n, e.op, e.operation, e.priced, e.operation_id, e.pool_id, e.node_id, e.plain,
      case when e.plain and e.op = 'spawn' then e.budget end as budget,
      case
        when not e.plain or e.op in ('spawn', 'dispatch') then null
        else coalesce(e.priced -> 'spend', '{"iterations": 0, "input_tokens": 0, "output_tokens": 0, "usd": 0}') -- of a leaf that is cancelled
      end as spend
    from (
      select t.*, coalesce(ledger_private.plain_operation(t.operation, t.spend, t.budget), false) as plain
      from (
        select
          o.n, o.operation, o.priced, o.operation ->> 'op' as op, o.operation ->> 'operation_id' as operation_id,
          o.operation ->> 'pool_id' as pool_id, o.operation ->> 'node_id' as node_id, o.operation -> 'budget' as budget,
          o.operation -> 'spend' as spend
        from unnest(p_operations, p_priced) with ordinality o (operation, priced, n)
        offset 0
      ) t
      offset 0
    ) e
    offset 0
  ) g
  offset 0
$$;
