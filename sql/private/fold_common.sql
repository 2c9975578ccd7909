-- The answers to a batch that one statement books (ledger_private.fold_turns, fold_plainly); null where none does, and for fewer than three
-- operations, for which that is not worth it. The caller holds their locks, for which they had to be an array, and not too long.
create or replace function ledger_private.fold_common(
  p_tenant_id text,
  p_operations jsonb,
  p_at timestamptz
)
returns jsonb
language plpgsql
as $$
declare
  v_objects boolean;
  v_turns boolean;
begin
  if jsonb_array_length(p_operations) < 3 then
    return null;
  end if;
  select bool_and(jsonb_typeof(e.operation) = 'object'), bool_and(e.operation ->> 'op' = 'meter') into v_objects, v_turns
  from jsonb_array_elements(p_operations) e (operation);
  return case
    when not v_objects then null
    when v_turns then ledger_private.fold_turns(p_tenant_id, p_operations, p_at)
    else ledger_private.fold_plainly(p_tenant_id, p_operations, p_at)
  end;
end;
$$;
