-- Operations in order, as fast as they can be: as many as go together at once (ledger_private.fold), the one that stopped them by itself, and so
-- on. Fewer than four are not worth a fold, nor are folds that keep stopping: then the rest goes one by one.
create or replace function ledger_private.apply_batch(
  p_tenant_id text,
  p_operations jsonb[],
  p_at timestamptz
)
returns ledger_private.answer[]
language plpgsql
as $$
declare
  v_size constant integer := cardinality(p_operations);
  v_answers ledger_private.answer[] := '{}';
  v_next integer := 1;
  v_stops integer := 0;
begin
  while v_next <= v_size loop
    if v_size - v_next >= 3 and v_stops < 8 then
      v_answers := v_answers || ledger_private.fold(p_tenant_id, p_operations[v_next:], p_at);
      v_next := cardinality(v_answers) + 1;
      exit when v_next > v_size;
      v_stops := v_stops + 1;
    end if;
    v_answers := v_answers || ledger_private.perform_alone(p_tenant_id, p_operations[v_next], p_at);
    v_next := v_next + 1;
  end loop;
  return v_answers;
end;
$$;
