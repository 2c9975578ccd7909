-- Whether the settlement of a leaf is plain in its own keys (ledger_private.plain_operation).
create or replace function ledger_private.plain_settle(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{
    op,operation_id,effective_at,tags,node_id,outcome,spend,verdict,out_ref,reason,infra,tool_calls,tool_results,detail,
    provider,model,provider_request_id,purpose
  }'::text[] = '{}'
  and jsonb_typeof(p_operation -> 'operation_id') = 'string'
  and jsonb_typeof(p_operation -> 'node_id') = 'string'
  and p_operation -> 'outcome' in ('"done"', '"down"')
  and coalesce(jsonb_typeof(p_operation -> 'out_ref'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'reason'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'provider'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'model'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'provider_request_id'), 'string') = 'string'
  and (p_operation -> 'purpose' in ('"turn"', '"compaction"', '"failed"', '"tool"')) is not false;
