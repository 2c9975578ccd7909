-- The moves that close a pool under a parent: free of every capped channel goes back, also when negative, so that total = committed. None for a
-- top pool, which keeps its row as it was.
create or replace function ledger_private.giving_back(p_pool ledger_private.pools)
returns ledger_private.move[]
language plpgsql
stable
as $$
begin
  return (
    select array_agg(row(c.channel, -c.free, 0, 0, 0, 0, 0, false)::ledger_private.move order by ledger_private.channel_order(c.channel))
    from ledger_private.channels c
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id and c.free <> 0 and p_pool.parent_pool_id is not null
  );
end;
$$;
