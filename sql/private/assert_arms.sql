-- LG001 where one of two arms is not among the arms of a gate (jsonb, each with its name under `arm`).
create or replace function ledger_private.assert_arms(p_arms jsonb, p_arm_a text, p_arm_b text)
returns void
language plpgsql
as $$
declare
  v_path text;
begin
  v_path := case
    when not coalesce(p_arms @> jsonb_build_array(jsonb_build_object('arm', p_arm_a)), false) then 'p_arm_a'
    when not coalesce(p_arms @> jsonb_build_array(jsonb_build_object('arm', p_arm_b)), false) then 'p_arm_b'
  end;
  if v_path is not null then
    perform ledger_private.raise_error('LG001', jsonb_build_object('path', v_path, 'rule', 'is no arm of the experiment'));
  end if;
end;
$$;
