-- The rules of a pool's head: called by a CHECK, as ledger_private.sound_channel.
create or replace function ledger_private.sound_head(p_row ledger_private.pool_heads)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_broken constant text := case
    when p_row.open_holds < 0 or p_row.open_holds > p_row.children then 'pool_heads_open_holds_not_negative'
    when p_row.undelivered < 0 or p_row.next_cursor < 0 then 'pool_heads_undelivered_not_negative'
    when p_row.delivered_seq < 0 or p_row.delivered_seq > p_row.seq then 'pool_heads_delivered_seq_within'
  end;
begin
  if v_broken is not null then
    perform ledger_private.raise_breach('pool_heads', v_broken);
  end if;
  return true;
end;
$$;
