-- Moves the heads and balances of the pools that steps work on (ledger_private.entries), each row once, and tells how they were. It moves before
-- anybody has looked whether there is room, because a row that was written counts no longer as read (ledger_private.move_channels): found by key,
-- written by place, row after row. Balances move as ledger_private.moved has it where nothing is sealed.
-- p_seqs, p_children: by step, its seq and how many children its pool had had before it. p_drawn: the `drawn` rows.
create or replace function ledger_private.move_pools(
  p_tenant_id text,
  p_steps ledger_private.step[],
  out p_seqs bigint[],
  out p_children bigint[],
  out p_drawn ledger_private.drawn[],
  out p_heads ledger_private.pool_heads[],
  out p_rows ledger_private.channels[]
)
language plpgsql
as $$
begin
  with placed as materialized (
    select
      e.*,
      dense_rank() over (order by e.pool_id) as place, -- of the pool among those of this call: lists by place carry what is found out about pools
      count(*) filter (where e.booked) over earlier as rows_before,
      count(*) filter (where e.spawns) over earlier as children_before
    from ledger_private.entries(p_steps) e
    window earlier as (partition by e.pool_id order by e.n rows between unbounded preceding and 1 preceding)
  ),
  sums as materialized (
    select
      p.place, p.pool_id,
      count(*) filter (where p.booked) as rows, count(*) filter (where p.spawns) as asks, count(*) filter (where p.spawns and not p.drawn) as spawned,
      count(*) filter (where p.ends) as ended, min(p.lease_at) filter (where not p.drawn) as lease_at,
      sum(p.tokens_held) as tokens_held, sum(p.iterations_held) as iterations_held, sum(p.usd_held) as usd_held,
      sum(p.tokens_spent) as tokens_spent, sum(p.iterations_spent) as iterations_spent, sum(p.usd_spent) as usd_spent,
      sum(p.usd_uncertain) as usd_uncertain, sum(p.tokens_unknown) as tokens_unknown, sum(p.usd_unknown) as usd_unknown
    from placed p
    group by p.place, p.pool_id
  ),
  heads as (
    update ledger_private.pool_heads h
    set seq = h.seq + s.rows, open_holds = h.open_holds + s.spawned - s.ended, children = h.children + s.spawned,
      undelivered = h.undelivered + s.ended, next_lease_at = least(h.next_lease_at, s.lease_at)
    from sums s
    cross join lateral (
      select k.ctid as at, k as head from ledger_private.pool_heads k where k.tenant_id = p_tenant_id and k.pool_id = s.pool_id limit 1
    ) k
    where h.ctid = k.at
    returning s.place, k.head
  ),
  balances as (
    update ledger_private.channels c
    set free = c.free - d.held - d.spent, reserved = c.reserved + d.held, committed = c.committed + d.spent,
      uncertain = c.uncertain + d.uncertain, unknown = c.unknown + d.unknown
    from sums s
    cross join lateral (
      values
        ('tokens', s.tokens_held, s.tokens_spent, 0::numeric, s.tokens_unknown), ('iterations', s.iterations_held, s.iterations_spent, 0, 0),
        ('usd', s.usd_held, s.usd_spent, s.usd_uncertain, s.usd_unknown)
    ) d (channel, held, spent, uncertain, unknown)
    cross join lateral (
      select k.ctid as at, k as balance from ledger_private.channels k
      where k.tenant_id = p_tenant_id and k.pool_id = s.pool_id and k.channel = d.channel
      limit 1
    ) k
    where c.ctid = k.at and (s.asks > 0 or d.held <> 0 or d.spent <> 0 or d.unknown <> 0)
    returning k.balance
  ),
  were as materialized (
    select
      array_agg((h.head).seq order by h.place) as seqs, array_agg((h.head).children order by h.place) as children,
      array_agg(h.head order by h.place) as heads
    from heads h
  )
  select
    array_agg(w.seqs[p.place] + p.rows_before + 1 order by p.n) filter (where not p.drawn),
    array_agg(w.children[p.place] + p.children_before order by p.n) filter (where not p.drawn),
    array_agg(row(
      p.n, p.pool_id, w.seqs[p.place] + p.rows_before + 1, p.tokens_spent, p.tokens_unknown, p.iterations_spent, p.usd_spent, p.usd_uncertain,
      p.usd_unknown
    )::ledger_private.drawn) filter (where p.drawn and p.booked),
    (select v.heads from were v),
    (select array_agg(b.balance) from balances b)
  into p_seqs, p_children, p_drawn, p_heads, p_rows
  from placed p
  cross join were w;
end;
$$;
