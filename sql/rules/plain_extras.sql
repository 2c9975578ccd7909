-- Whether the rarer things that an operation says are plain: when it happened (in a form that names a day there is; a cast reads it), tags, tools,
-- detail, verdict. Asked only where it has one of them. Null counts as false.
create or replace function ledger_private.plain_extras(p_operation jsonb)
returns boolean
language plpgsql
immutable
parallel safe
as $$
begin
  return (
      jsonb_typeof(p_operation -> 'effective_at') = 'string' and p_operation ->> 'effective_at' ~ (
        '^[12][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))'
        || 'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])$'
      )
    ) is not false
    and (jsonb_typeof(p_operation -> 'infra') = 'boolean') is not false
    and (jsonb_typeof(p_operation -> 'task_ref') = 'string' and p_operation ->> 'task_ref' ~ '^sha256:[0-9a-f]{64}$') is not false
    and (char_length(p_operation ->> 'reason') <= 10000) is not false
    and case when p_operation ? 'tags' then ledger_private.fits('tags', p_operation -> 'tags') else true end
    and case when p_operation ? 'tool_calls' then ledger_private.fits('tool_calls', p_operation -> 'tool_calls') else true end
    and case when p_operation ? 'tool_results' then ledger_private.fits('tool_results', p_operation -> 'tool_results') else true end
    and case when p_operation ? 'verdict' then ledger_private.fits('json', p_operation -> 'verdict') else true end
    and case when p_operation ? 'detail' then
      ledger_private.fits('json', p_operation -> 'detail') and not p_operation -> 'detail' ?| '{price_book,tool_results}'
    else true end;
end;
$$;
