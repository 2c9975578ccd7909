-- LG008 at the first answer of an atomic batch that is a refusal (replayed or not) or an error; DETAIL says which.
create or replace function ledger_private.assert_all_ok(p_answers ledger_private.answer[])
returns void
language plpgsql
as $$
declare
  v_detail jsonb;
begin
  select jsonb_build_object('position', a.ordinality - 1, 'status', a.status, 'code', a.code, 'result', coalesce(a.result, '{}'))
  into v_detail
  from unnest(p_answers) with ordinality a
  where a.code is not null
  order by a.ordinality
  limit 1;
  if v_detail is not null then
    perform ledger_private.raise_error('LG008', v_detail);
  end if;
end;
$$;
