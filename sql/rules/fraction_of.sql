-- A part of a whole, neither negative, rounded to 12 decimals (a half upwards): in whole numbers, so it is rounded once. Null where the whole is 0.
create or replace function ledger_private.fraction_of(p_part numeric, p_whole numeric)
returns numeric
language sql
immutable
parallel safe
return trim_scale(div(p_part * 2000000000000 + p_whole, nullif(p_whole, 0) * 2) * 0.000000000001);
