-- Whether a JSON value is of a named kind (the kinds of ledger_private.shape). Unknown kinds fit nothing.
create or replace function ledger_private.fits(p_kind text, p_value jsonb)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_type constant text := jsonb_typeof(p_value);
  v_number numeric;
begin
  case p_kind
    when 'id' then
      return v_type = 'string' and char_length(p_value #>> '{}') between 1 and 200 and (p_value #>> '{}') !~ '[[:cntrl:]]';
    when 'text' then
      return v_type = 'string' and char_length(p_value #>> '{}') <= 10000;
    when 'count', 'whole' then
      if v_type not in ('number', 'string') then
        return false;
      end if;
      v_number := ledger_private.amount(p_value);
      return coalesce(v_number = trunc(v_number) and v_number <= 9007199254740991
        and v_number >= case p_kind when 'count' then 0 else -9007199254740991 end, false);
    when 'money', 'change', 'rate' then
      if v_type not in ('number', 'string') then
        return false;
      end if;
      v_number := ledger_private.amount(p_value);
      return coalesce(scale(trim_scale(v_number)) <= case p_kind when 'rate' then 6 else 12 end and (v_number >= 0 or p_kind = 'change')
        and abs(v_number) < case p_kind when 'rate' then 1e12 else 1e15 end, false);
    when 'duration_ms' then
      return v_type = 'number' and p_value::numeric between 1 and 315360000000 and trunc(p_value::numeric) = p_value::numeric;
    when 'small' then
      return v_type = 'number' and p_value::numeric between 0 and 2147483647 and trunc(p_value::numeric) = p_value::numeric;
    when 'flag' then
      return v_type = 'boolean';
    when 'score' then
      return v_type = 'number' and abs(p_value::numeric) < 1e15;
    when 'json' then
      return v_type <> 'null' and octet_length(p_value::text) <= 100000;
    when 'tool_calls', 'tool_results' then
      return v_type = 'array' and jsonb_array_length(p_value) <= 1000
        and not exists (
          select from jsonb_array_elements(p_value) e (tool)
          where case when p_kind = 'tool_calls' and jsonb_typeof(e.tool) = 'string' then char_length(e.tool #>> '{}') > 200
            else ledger_private.misfit(e.tool, ledger_private.shape(rtrim(p_kind, 's')), '') is not null end
        );
    when 'tool_status' then return p_value in ('"ok"', '"error"');
    when 'tags' then
      return v_type = 'object'
        and (select count(*) <= 16 and coalesce(bool_and(jsonb_typeof(t.value) = 'string' and char_length(t.value #>> '{}') <= 256
               and char_length(t.key) between 1 and 64), true) from jsonb_each(p_value) t);
    when 'instant' then
      return v_type = 'string' and ledger_private.instant(p_value #>> '{}') is not null;
    when 'outcome' then return p_value in ('"done"', '"down"');
    when 'digest' then return v_type = 'string' and p_value #>> '{}' ~ '^sha256:[0-9a-f]{64}$';
    when 'purpose' then return p_value in ('"turn"', '"compaction"', '"failed"', '"tool"');
    when 'match' then return p_value in ('"exact"', '"dated"', '"prefix"', '"contains"');
    when 'token_class' then
      return v_type = 'string' and p_value #>> '{}' ~ '^(input|cache_read|cache_write|cache_write_1h|output|reasoning|request)$';
    when 'unknown_usd' then return p_value in ('"seal"', '"flag"');
    when 'token_charge' then return p_value in ('"total"', '"uncached"');
    when 'replicate' then
      return ledger_private.fits('id', p_value) or ledger_private.fits('count', p_value);
    when 'lines' then
      return v_type = 'array' and jsonb_array_length(p_value) between 1 and 1000;
    else
      return false;
  end case;
end;
$$;
