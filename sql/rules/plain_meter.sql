-- Whether a meter is plain in its own keys (ledger_private.plain_operation).
create or replace function ledger_private.plain_meter(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{
    op,operation_id,effective_at,tags,pool_id,spend,turn,tool_calls,tool_results,detail,provider,model,provider_request_id,purpose
  }'::text[] = '{}'
  and jsonb_typeof(p_operation -> 'operation_id') = 'string'
  and jsonb_typeof(p_operation -> 'pool_id') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'provider'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'model'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'provider_request_id'), 'string') = 'string'
  and (p_operation -> 'purpose' in ('"turn"', '"compaction"', '"failed"', '"tool"')) is not false
  and (p_operation -> 'turn' between '0' and '2147483647' and strpos(p_operation ->> 'turn', '.') = 0) is not false;
