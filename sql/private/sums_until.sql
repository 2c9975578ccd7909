-- What the journal of a pool says of each channel up to an instant, by recorded or by effective time: sums without the remainders of seals, which
-- depend on what else counts. Held is summed per node and never below 0: a hold whose ending is dated before it never was.
create or replace function ledger_private.sums_until(
  p_tenant_id text,
  p_pool_id text,
  p_at timestamptz,
  p_effective boolean
)
returns table (
  channel text,
  funded numeric,
  held numeric,
  spent numeric,
  uncertain numeric,
  seals bigint
)
language plpgsql
stable
as $$
begin
  return query
    select n.channel, sum(n.funded), sum(greatest(n.held, 0)), sum(n.spent), sum(n.uncertain), sum(n.seals)::bigint
    from (
      select
        m.channel, coalesce(sum(m.funded), 0) as funded, coalesce(sum(m.held), 0) as held, coalesce(sum(m.spent), 0) as spent,
        coalesce(sum(m.uncertain), 0) as uncertain, coalesce(sum(m.seals), 0) as seals
      from ledger_private.history j
      cross join lateral (
        select
          'tokens' as channel, j.tokens_funded as funded, j.tokens_held as held, j.tokens_spent as spent,
          j.tokens_uncertain as uncertain, 0 as seals
        union all
        select 'iterations', j.iterations_funded, j.iterations_held, j.iterations_spent, j.iterations_uncertain, 0
        union all
        select 'usd', j.usd_funded, j.usd_held, j.usd_spent, j.usd_uncertain, j.usd_seals
        union all
        select
          r.key, (r.value -> 'funded')::numeric, (r.value -> 'held')::numeric, (r.value -> 'spent')::numeric,
          (r.value -> 'uncertain')::numeric, 0
        from jsonb_each(j.resource_moves) r
      ) m
      where j.tenant_id = p_tenant_id and j.pool_id = p_pool_id
        and case when p_effective then j.effective_at else j.recorded_at end <= p_at
      -- Only rows that hold are told apart by node: all others are one group.
      group by m.channel, case when m.held <> 0 then j.node_id end
    ) n
    group by n.channel;
end;
$$;
