-- The answer to an operation id that is kept: the first answer again, or LG005 where the content differs. Null where the id is new.
create or replace function ledger_private.replay(p_tenant_id text, p_operation jsonb)
returns ledger_private.answer
language plpgsql
stable
as $$
declare
  v_kept ledger_private.operations;
begin
  select * into v_kept from ledger_private.operations o
  where o.tenant_id = p_tenant_id and o.operation_id = p_operation ->> 'operation_id';
  if v_kept.operation_id is null then
    return null;
  elsif v_kept.digest <> ledger_private.digest_of(p_operation) then
    return ledger_private.failed('LG005', 'operation_id', format('operation %s was already used with other content', v_kept.operation_id));
  end if;
  return row(
    'replayed', v_kept.code, coalesce(v_kept.result, ledger_private.result_of(p_tenant_id, v_kept.pool_id, v_kept.seq)), v_kept.pool_id, v_kept.seq
  )::ledger_private.answer;
end;
$$;
