-- Keeps the answer of a claimed operation at its place; an error is not kept, so that the same id may come again.
create or replace function ledger_private.keep(
  p_operation jsonb,
  p_place tid,
  p_answer ledger_private.answer
)
returns void
language plpgsql
as $$
begin
  if p_answer.status = 'error' then
    delete from ledger_private.operations k where k.ctid = p_place;
    return;
  end if;
  update ledger_private.operations k
  set code = p_answer.code, pool_id = p_answer.pool_id, seq = p_answer.seq, result = p_answer.result,
    label = case when p_answer.code is not null then coalesce(p_operation ->> 'label', p_operation #>> '{run,label}') end
  where k.ctid = p_place;
end;
$$;
