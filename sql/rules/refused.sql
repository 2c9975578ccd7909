-- The answer of an operation that the business rules refuse: p_refusal is {code, shortfall?}.
create or replace function ledger_private.refused(
  p_pool_id text,
  p_refusal jsonb
)
returns ledger_private.answer
language sql
immutable
parallel safe
return row('refused', p_refusal ->> 'code', nullif(p_refusal - 'code', '{}'), p_pool_id, null)::ledger_private.answer;
