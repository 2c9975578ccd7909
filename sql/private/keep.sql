-- Keeps the answers of claimed operations at their places; an error is not kept, so that the same id may come again.
create or replace function ledger_private.keep(
  p_operations jsonb[],
  p_places tid[],
  p_answers ledger_private.answer[]
)
returns void
language plpgsql
as $$
begin
  update ledger_private.operations k
  set code = a.code, pool_id = a.pool_id, seq = a.seq, result = a.result,
    label = case when a.code is not null then coalesce(p_operations[a.ordinality] ->> 'label', p_operations[a.ordinality] #>> '{run,label}') end
  from unnest(p_answers) with ordinality a
  where k.ctid = p_places[a.ordinality] and a.status in ('ok', 'refused');
  for i in 1 .. cardinality(p_answers) loop
    if p_answers[i].status = 'error' and p_places[i] is not null then
      delete from ledger_private.operations k where k.ctid = p_places[i];
    end if;
  end loop;
end;
$$;
