-- All channel rows of a pool, in channel order.
create or replace function ledger_private.pool_channels(p_pool ledger_private.pools)
returns ledger_private.channels[]
language plpgsql
stable
as $$
begin
  return (
    select array_agg(c order by ledger_private.channel_order(c.channel))
    from ledger_private.channels c
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id
  );
end;
$$;
