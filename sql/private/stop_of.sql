-- The first of steps that cannot be booked as it is, now that balances are moved (ledger_private.move_pools, which tells how they were): one that
-- finds no room at its turn, works on a pool of which a row is sealed, or makes a child whose derived id is too long. Null where all can.
create or replace function ledger_private.stop_of(
  p_steps ledger_private.step[],
  p_rows ledger_private.channels[],
  p_node_ids text[]
)
returns integer
language plpgsql
stable
as $$
declare
  v_sealed constant text[] := array(select r.pool_id from unnest(p_rows) r where r.seals > 0);
  v_stop integer;
begin
  if cardinality(v_sealed) > 0 then
    v_stop := (select min(e.n) from ledger_private.entries(p_steps) e where e.pool_id = any (v_sealed));
  end if;
  if p_node_ids is null then
    return v_stop;
  end if;
  return least(
    v_stop,
    (select min(i.n) from unnest(p_node_ids) with ordinality i (node_id, n) where char_length(i.node_id) > 200),
    (
      select min(f.n)
      from (
        select
          m.n,
          m.tokens_wanted > sum(m.tokens) over earlier or m.iterations_wanted > sum(m.iterations) over earlier
            or m.usd_wanted > sum(m.usd) over earlier as short
        from (
          select
            e.n, e.pool_id, e.tokens_wanted, e.iterations_wanted, e.usd_wanted,
            -e.tokens_held - e.tokens_spent as tokens, -e.iterations_held - e.iterations_spent as iterations, -e.usd_held - e.usd_spent as usd
          from ledger_private.entries(p_steps) e
          union all
          select
            0, r.pool_id, null, null, null, case r.channel when 'tokens' then r.free end, case r.channel when 'iterations' then r.free end,
            case r.channel when 'usd' then r.free end
          from unnest(p_rows) r
        ) m
        window earlier as (partition by m.pool_id order by m.n rows between unbounded preceding and 1 preceding)
      ) f
      where f.short
    )
  );
end;
$$;
