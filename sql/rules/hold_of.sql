-- What a budget holds in a pool with these rows: {channel: amount} of its ceilings on the channels that the pool itself caps, zeros left out.
create or replace function ledger_private.hold_of(p_channels ledger_private.channels[], p_budget jsonb)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_hold jsonb := '{}';
  v_amount numeric;
begin
  for i in 1 .. cardinality(p_channels) loop
    v_amount := ledger_private.amount(p_budget -> p_channels[i].channel);
    if v_amount > 0 and p_channels[i].total is not null then
      v_hold := v_hold || jsonb_build_object(p_channels[i].channel, v_amount);
    end if;
  end loop;
  return v_hold;
end;
$$;
