-- The number an amount stands for: a JSON number or a plain decimal string. Null where it is neither.
create or replace function ledger_private.amount(p_value jsonb)
returns numeric
language sql
immutable
parallel safe
return case jsonb_typeof(p_value)
  when 'number' then p_value::numeric
  when 'string' then case when p_value #>> '{}' ~ '^-?[0-9]{1,30}([.][0-9]{1,30})?$' then (p_value #>> '{}')::numeric end
end;
