-- Whether an object has texts only, as most are: not empty, no control characters, nothing that JSON escapes. What has 250 characters in all, keys
-- among them, has no text above 200. Part of ledger_private.common_meter.
create or replace function ledger_private.common_texts(p_object jsonb)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_text constant text := p_object;
begin
  return char_length(v_text) <= 250 and v_text ~ E'^{("[a-z_]+": "[^"\\\\[:cntrl:]]+"[,}] ?)+$';
end;
$$;
