-- What is wrong with the cursor or the limit of ledger.events: {path, rule} or null.
create or replace function ledger_private.misfit_of_cursor(p_after jsonb, p_limit integer)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_pool_id text;
begin
  if jsonb_typeof(p_after) is distinct from 'object' then
    return jsonb_build_object('path', 'p_after', 'rule', 'must be an object: the last seq seen of each pool');
  end if;
  select e.key into v_pool_id
  from jsonb_each(p_after) e
  where not case
    when jsonb_typeof(e.value) = 'number' then e.value::numeric between 0 and 9007199254740991 and trunc(e.value::numeric) = e.value::numeric
    else false
  end
  limit 1;
  if v_pool_id is not null then
    return jsonb_build_object('path', 'p_after.' || v_pool_id, 'rule', ledger_private.rule_text('count'));
  elsif p_limit is null or p_limit not between 1 and 10000 then
    return jsonb_build_object('path', 'p_limit', 'rule', 'must be a whole number from 1 to 10000');
  end if;
  return null;
end;
$$;
