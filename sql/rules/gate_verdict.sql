-- The verdict that a reason stands for (ledger_private.gate_reason).
create or replace function ledger_private.gate_verdict(p_reason text)
returns text
language sql
immutable
parallel safe
return case
  when p_reason is null then 'equal'
  when p_reason in ('zero-median', 'over-tolerance') then 'unequal'
  else 'inconclusive'
end;
