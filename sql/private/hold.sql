-- Takes a budget out of a pool's free (p_sign 1) or puts it back (-1): its ceilings on the channels the pool itself caps. Elsewhere a ceiling
-- holds nothing and still counts. Returns all rows of the pool as they are afterwards, in channel order. It writes before anybody has looked
-- whether there is room: one statement, row after row, as ledger_private.move_channels.
create or replace function ledger_private.hold(
  p_pool ledger_private.pools,
  p_budget jsonb,
  p_sign integer default 1
)
returns ledger_private.channels[]
language plpgsql
as $$
declare
  v_rows ledger_private.channels[];
begin
  with held as (
    update ledger_private.channels c
    set free = c.free - p_sign * coalesce(ledger_private.amount(p_budget -> c.channel), 0),
      reserved = c.reserved + case when c.total is null then 0 else p_sign * coalesce(ledger_private.amount(p_budget -> c.channel), 0) end
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id
    returning c as after
  )
  select array_agg(h.after order by ledger_private.channel_order((h.after).channel)) into strict v_rows from held h;
  return v_rows;
end;
$$;
