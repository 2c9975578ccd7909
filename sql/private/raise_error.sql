-- Raises one of our SQLSTATEs: the message is for people, the facts go to DETAIL as JSON.
create or replace function ledger_private.raise_error(
  p_code text,
  p_detail jsonb,
  p_hint text default null
)
returns void
language plpgsql
as $$
declare
  v_name text;
  v_meaning text;
begin
  select e.name, e.meaning into strict v_name, v_meaning from ledger.error_codes() e where e.code = p_code;
  raise exception using
    errcode = p_code,
    message = format('%s: %s', v_name, coalesce(p_detail ->> 'rule', v_meaning)),
    detail = (jsonb_build_object('name', v_name) || p_detail)::text,
    hint = coalesce(p_hint, '');
end;
$$;
