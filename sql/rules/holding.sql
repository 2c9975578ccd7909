-- The moves that take a hold {channel: amount} out of free.
create or replace function ledger_private.holding(p_hold jsonb)
returns ledger_private.move[]
language sql
immutable
parallel safe
return (
  select array_agg(
    row(h.key, 0, (h.value)::numeric, 0, 0, 0, 0, false)::ledger_private.move order by ledger_private.channel_order(h.key)
  )
  from jsonb_each(p_hold) h
);
