-- Whether the spawn of a leaf is plain in its own keys (ledger_private.plain_operation).
create or replace function ledger_private.plain_spawn(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{
    op,operation_id,effective_at,tags,pool_id,node_id,label,runtime,task_ref,lease_ms,budget
  }'::text[] = '{}'
  and jsonb_typeof(p_operation -> 'operation_id') = 'string'
  and jsonb_typeof(p_operation -> 'pool_id') = 'string'
  and jsonb_typeof(p_operation -> 'label') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'node_id'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'runtime'), 'string') = 'string'
  and (p_operation -> 'lease_ms' between '1' and '315360000000' and strpos(p_operation ->> 'lease_ms', '.') = 0) is not false;
