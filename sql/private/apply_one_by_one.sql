-- Operations in order, each on the plain path, each looking up its id first. Slower, and its look-ups can conflict with strangers: for calls
-- that carry an id used before.
create or replace function ledger_private.apply_one_by_one(
  p_tenant_id text,
  p_operations jsonb[],
  p_at timestamptz
)
returns ledger_private.answer[]
language plpgsql
as $$
declare
  v_answers ledger_private.answer[] := '{}';
  v_answer ledger_private.answer;
  v_operation jsonb;
begin
  foreach v_operation in array p_operations loop
    v_answer := ledger_private.replay(p_tenant_id, v_operation);
    if v_answer.status is null then
      v_answer := ledger_private.perform(p_tenant_id, v_operation, p_at);
      perform ledger_private.claim(p_tenant_id, array[v_operation], array[v_answer], p_at);
    end if;
    v_answers := v_answers || v_answer;
  end loop;
  return v_answers;
end;
$$;
