-- The answer of an operation that is in error: an LG code, where in the operation, and which rule.
create or replace function ledger_private.failed(
  p_code text,
  p_path text,
  p_rule text
)
returns ledger_private.answer
language plpgsql
immutable
parallel safe
as $$
begin
  return row('error', p_code, jsonb_build_object('path', p_path, 'rule', p_rule), null, null)::ledger_private.answer;
end;
$$;
