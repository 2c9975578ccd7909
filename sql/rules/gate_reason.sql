-- Why the arms of an experiment are not equal on a channel: the first reason that applies, or null where they are.
create or replace function ledger_private.gate_reason(
  p_open boolean,
  p_unsure boolean,
  p_unbalanced boolean,
  p_mixed boolean,
  p_spread numeric,
  p_median numeric,
  p_tolerance numeric
)
returns text
language sql
immutable
parallel safe
return case
  when p_open then 'open-hold'
  when p_unsure then 'unknown-usage'
  when p_unbalanced then 'unbalanced'
  when p_mixed then 'mixed-units'
  when p_spread <= p_tolerance * p_median then null
  when p_median = 0 then 'zero-median'
  else 'over-tolerance'
end;
