-- Whether a move of one pool's row is booked by its payer too: it is meant to be, another pool pays, and something moved.
create or replace function ledger_private.draws(p_move ledger_private.move, p_row ledger_private.channels)
returns boolean
language sql
immutable
parallel safe
return p_move.draws and p_row.payer_pool_id is not null and p_row.payer_pool_id <> p_row.pool_id
  and (p_move.spent <> 0 or p_move.uncertain <> 0 or p_move.unknown <> 0 or p_move.seals <> 0);
