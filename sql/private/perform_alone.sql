-- One operation by itself, its id claimed and its answer kept: the plain path where it can, else the general one. The caller holds its locks.
create or replace function ledger_private.perform_alone(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_answer ledger_private.answer := ledger_private.perform_plainly(p_tenant_id, p_operation, p_at);
  v_place tid;
begin
  if v_answer.status is not null then
    return v_answer;
  end if;
  if ledger_private.fits('id', p_operation -> 'operation_id') then
    v_place := ledger_private.claim(p_tenant_id, p_operation, p_at);
    if v_place is null then
      v_answer := ledger_private.replay(p_tenant_id, p_operation);
    end if;
  end if;
  if v_answer.status is null then
    v_answer := ledger_private.perform(p_tenant_id, p_operation, p_at);
    perform ledger_private.keep(p_operation, v_place, v_answer);
  end if;
  return v_answer;
end;
$$;
