-- Moves channel rows of one pool (ledger_private.moved) and returns them before and after, in the order of the moves. A resource the pool does
-- not have yet gets an uncapped row first: spend is never refused for want of one.
-- One statement that reads and writes row after row: under SERIALIZABLE three rows read on one page before the first is written become a lock of
-- the whole page, and pools that share it would abort each other. Hence nested loops only.
create or replace function ledger_private.move_channels(
  p_pool ledger_private.pools,
  p_moves ledger_private.move[],
  out p_before ledger_private.channels[],
  out p_after ledger_private.channels[]
)
language plpgsql
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_follows constant boolean := p_pool.state = 'closed' and p_pool.parent_pool_id is not null;
begin
  for i in 1 .. cardinality(p_moves) loop
    if p_moves[i].channel not in ('tokens', 'iterations', 'usd') then
      insert into ledger_private.channels (tenant_id, pool_id, channel)
      values (p_pool.tenant_id, p_pool.pool_id, p_moves[i].channel)
      on conflict do nothing;
    end if;
  end loop;
  with written as (
    update ledger_private.channels c
    set total = n.total, free = n.free, reserved = n.reserved, committed = n.committed,
      uncertain = n.uncertain, remainder = n.remainder, unknown = n.unknown, seals = n.seals
    from unnest(p_moves) with ordinality m
    cross join lateral (
      select o from ledger_private.channels o
      where o.tenant_id = p_pool.tenant_id and o.pool_id = p_pool.pool_id and o.channel = m.channel
      limit 1
    ) b (before)
    cross join lateral ledger_private.moved(
      b.before,
      row(m.channel, m.funded, m.held, m.spent, m.uncertain, m.unknown, m.seals, m.draws)::ledger_private.move,
      p_pool.unknown_usd = 'seal', v_follows
    ) n
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id and c.channel = m.channel
    returning m.ordinality, b.before, c as after
  )
  select array_agg(w.before order by w.ordinality), array_agg(w.after order by w.ordinality) into strict p_before, p_after
  from written w;
end;
$$;
