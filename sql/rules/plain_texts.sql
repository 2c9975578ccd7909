-- Whether the ids of an operation are of 1 to 200 characters without control characters, as ledger_private.fits wants them, and what it seldom says
-- is plain too (ledger_private.plain_operation). A text without a backslash in JSON has no control character that JSON escapes; the pattern sees the
-- others.
create or replace function ledger_private.plain_texts(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return least(
    char_length(p_operation ->> 'operation_id'), char_length(p_operation ->> 'pool_id'), char_length(p_operation ->> 'node_id'),
    char_length(p_operation ->> 'label'), char_length(p_operation ->> 'runtime'), char_length(p_operation ->> 'out_ref'),
    char_length(p_operation ->> 'provider'), char_length(p_operation ->> 'model'), char_length(p_operation ->> 'provider_request_id')
  ) > 0
  and greatest(
    char_length(p_operation ->> 'operation_id'), char_length(p_operation ->> 'pool_id'), char_length(p_operation ->> 'node_id'),
    char_length(p_operation ->> 'label'), char_length(p_operation ->> 'runtime'), char_length(p_operation ->> 'out_ref'),
    char_length(p_operation ->> 'provider'), char_length(p_operation ->> 'model'), char_length(p_operation ->> 'provider_request_id')
  ) <= 200
  and (p_operation - '{spend,budget,tags,detail,verdict,reason,tool_calls,tool_results}'::text[])::text !~ '[\\[:cntrl:]]'
  and case when p_operation ?| '{effective_at,tags,tool_calls,tool_results,detail,verdict,infra,task_ref,reason}'
    then ledger_private.plain_extras(p_operation) else true end;
