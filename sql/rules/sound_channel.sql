-- The rules of a balance, besides that it adds up: a CHECK calls this, because the server reads the text of every CHECK again for each statement,
-- and a dozen of them cost more than the write. True, or the error of a CHECK that is named like the first rule that is broken.
create or replace function ledger_private.sound_channel(p_row ledger_private.channels)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_broken text;
begin
  -- what most rows are, told by less than what tells which rule another one breaks
  if p_row.payer_pool_id = p_row.pool_id and p_row.total + p_row.free is not null and p_row.seals = 0 and p_row.unknown >= 0
    and least(p_row.total, p_row.reserved, p_row.committed, p_row.uncertain, p_row.remainder) >= 0
    and greatest(p_row.uncertain, p_row.remainder) = 0 and greatest(p_row.total, p_row.free, p_row.reserved, p_row.committed) < 'Infinity'
    and (p_row.channel not in ('tokens', 'iterations') or greatest(p_row.total % 1, p_row.reserved % 1, p_row.committed % 1) = 0)
  then
    return true;
  end if;
  v_broken := case
    when p_row.total is not null and p_row.free is null then 'channels_capped_adds_up'
    when p_row.total is null and (p_row.free is not null or p_row.reserved <> 0) then 'channels_uncapped_only_observed'
    when p_row.total < 0 then 'channels_total_not_negative'
    when p_row.reserved < 0 then 'channels_reserved_not_negative'
    when p_row.committed < 0 then 'channels_committed_not_negative'
    when p_row.uncertain < 0 or p_row.uncertain > p_row.committed then 'channels_uncertain_within_committed'
    when p_row.remainder < 0 or p_row.remainder > p_row.uncertain or (p_row.seals <= 0 and p_row.remainder <> 0) then 'channels_remainder_only_sealed'
    when greatest(p_row.total, p_row.free, p_row.reserved, p_row.committed, p_row.uncertain, p_row.remainder) >= 'Infinity'
      then 'channels_amounts_finite'
    when p_row.seals < 0 or p_row.seals > p_row.unknown or (p_row.seals <> 0 and p_row.total is null) then 'channels_seals_within_unknown'
    when p_row.total is not null and p_row.payer_pool_id is distinct from p_row.pool_id then 'channels_capped_pays_itself'
    when p_row.total is null and p_row.payer_pool_id = p_row.pool_id then 'channels_uncapped_pays_elsewhere'
    when p_row.channel in ('tokens', 'iterations') and (
      p_row.total <> trunc(p_row.total) or p_row.reserved <> trunc(p_row.reserved) or p_row.committed <> trunc(p_row.committed)
      or p_row.uncertain <> trunc(p_row.uncertain)
    ) then 'channels_counts_whole'
  end;
  if v_broken is not null then
    perform ledger_private.raise_breach('channels', v_broken);
  end if;
  return true;
end;
$$;
