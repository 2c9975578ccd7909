-- The place of a reason in the order in which reasons count; null for none. A worse verdict has the lower places, so the lowest reason of
-- several channels decides for all of them.
create or replace function ledger_private.gate_rank(p_reason text)
returns integer
language sql
immutable
parallel safe
return array_position(
  array['open-hold', 'unknown-usage', 'unbalanced', 'mixed-units', 'zero-median', 'over-tolerance'], p_reason
);
