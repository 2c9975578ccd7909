-- Whether a budget is plain: ceilings of the three channels only, each in its common form and in range, dollars as text. Never true of what
-- ledger_private.misfit rejects. Null counts as false. (What lies between two numbers is a number: ledger_private.plain_spend.)
create or replace function ledger_private.plain_budget(p_budget jsonb)
returns boolean
language sql
immutable
parallel safe
return jsonb_typeof(p_budget) = 'object' and p_budget - '{tokens,iterations,usd}'::text[] = '{}'
  and (p_budget -> 'tokens' between '0' and '9007199254740991') is not false
  and (p_budget -> 'iterations' between '0' and '9007199254740991') is not false
  and strpos((p_budget - 'usd')::text, '.') = 0
  and case when p_budget ? 'usd' then jsonb_typeof(p_budget -> 'usd') = 'string' and p_budget ->> 'usd' ~ '^[0-9]{1,15}([.][0-9]{1,12})?$'
    else true end;
