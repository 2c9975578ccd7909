-- Whether the dispatch of a hold is plain in its own keys (ledger_private.plain_operation).
create or replace function ledger_private.plain_dispatch(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{
    op,operation_id,effective_at,tags,node_id
  }'::text[] = '{}'
  and jsonb_typeof(p_operation -> 'operation_id') = 'string'
  and jsonb_typeof(p_operation -> 'node_id') = 'string';
