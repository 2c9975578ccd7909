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
  v_message text;
  v_detail text;
begin
  select e.name, e.meaning into strict v_name, v_meaning from ledger.error_codes() e where e.code = p_code;
  v_message := concat_ws(': ', v_name, nullif(p_detail ->> 'path', ''), coalesce(p_detail ->> 'rule', v_meaning));
  v_detail := jsonb_build_object('name', v_name) || p_detail;
  if p_hint is null then
    raise exception using errcode = p_code, message = v_message, detail = v_detail;
  end if;
  raise exception using errcode = p_code, message = v_message, detail = v_detail, hint = p_hint;
end;
$$;
