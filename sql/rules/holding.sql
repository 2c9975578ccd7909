-- The moves that take a hold {channel: amount} out of free.
create or replace function ledger_private.holding(p_hold jsonb)
returns ledger_private.move[]
language plpgsql
immutable
parallel safe
as $$
declare
  v_moves ledger_private.move[] := '{}';
  v_channel text;
  v_amount jsonb;
begin
  for v_channel, v_amount in select h.key, h.value from jsonb_each(p_hold) h loop
    v_moves := v_moves || row(v_channel, 0, v_amount::numeric, 0, 0, 0, 0, false)::ledger_private.move;
  end loop;
  return v_moves;
end;
$$;
