-- A channel row after a move: the only arithmetic on balances. While the row is sealed, everything neither held nor known to be spent counts as
-- committed and uncertain (remainder). p_follows: the pool is closed under a parent, so its total follows what is committed and free stays 0.
create or replace function ledger_private.moved(
  p_channel ledger_private.channels,
  p_move ledger_private.move,
  p_seals boolean,
  p_follows boolean default false
)
returns ledger_private.channels
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.channels := p_channel;
  v_known numeric;
begin
  v_known := v.committed - v.remainder + p_move.spent;
  v.uncertain := v.uncertain - v.remainder + p_move.uncertain;
  v.unknown := v.unknown + p_move.unknown;
  v.reserved := v.reserved + p_move.held;
  if v.total is null then
    v.committed := v_known;
    return v;
  end if;
  if p_seals then
    v.seals := v.seals + p_move.seals;
  end if;
  v.total := v.total + p_move.funded;
  v.remainder := case when v.seals > 0 then greatest(0, v.total - v.reserved - v_known) else 0 end;
  v.committed := v_known + v.remainder;
  v.uncertain := v.uncertain + v.remainder;
  if p_follows then
    v.total := v.committed;
  end if;
  v.free := v.total - v.reserved - v.committed;
  return v;
end;
$$;
