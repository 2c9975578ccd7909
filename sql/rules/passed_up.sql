-- What a child pool's spend does to its parent: the moves of the parent for the change from p_before to p_after of the child's rows (parallel
-- arrays; p_before null = all of it, at settlement). Where the parent itself paid, it has booked the amount already through `drawn`; where a pool
-- above both paid, nobody draws again; where the child paid, the parent's payer draws. p_hold is what the settlement gives back first.
create or replace function ledger_private.passed_up(
  p_parent_pool_id text,
  p_after ledger_private.channels[],
  p_before ledger_private.channels[] default null,
  p_hold jsonb default '{}'
)
returns ledger_private.move[]
language plpgsql
immutable
parallel safe
as $$
begin
  return (
    select array_agg(
      row(
        m.channel, 0, -m.held,
        case when m.drawn then 0 else m.spent end,
        case when m.drawn then 0 else m.uncertain end,
        case when m.drawn then 0 else m.unknown end,
        0, m.pays
      )::ledger_private.move
      order by ledger_private.channel_order(m.channel)
    )
    from (
      select
        a.channel,
        coalesce((p_hold -> a.channel)::numeric, 0) as held,
        a.committed - coalesce(b.committed, 0) as spent,
        a.uncertain - coalesce(b.uncertain, 0) as uncertain,
        a.unknown - coalesce(b.unknown, 0) as unknown,
        coalesce(a.payer_pool_id = a.pool_id, false) as pays,
        coalesce(a.payer_pool_id = p_parent_pool_id, false) as drawn
      from unnest(p_after) with ordinality a
      left join unnest(p_before) with ordinality b on b.ordinality = a.ordinality
    ) m
    where m.held <> 0 or m.spent <> 0 or m.uncertain <> 0 or m.unknown <> 0
  );
end;
$$;
