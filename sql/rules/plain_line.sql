-- Whether an operation has the keys of a turn, of the spawn of a leaf or of its end, as ledger_private.read_plainly takes them, each of its type, and
-- only those; p_asked is its spend or its budget. Its texts, and the amounts asked, are left to who reads it. Null counts as false.
create or replace function ledger_private.plain_line(p_operation jsonb, p_op text, p_asked jsonb)
returns boolean
language sql
immutable
parallel safe
return case p_op
    when 'meter' then p_operation - '{
        op,operation_id,pool_id,spend,turn,provider,model,provider_request_id,purpose,effective_at,tags,tool_calls,detail
      }'::text[] = '{}'
      and jsonb_typeof(p_operation -> 'pool_id') = 'string'
      and (p_operation -> 'turn' between '0' and '2147483647' and strpos(p_operation ->> 'turn', '.') = 0) is not false
    when 'spawn' then p_operation - '{
        op,operation_id,pool_id,node_id,label,runtime,task_ref,lease_ms,budget,effective_at,tags
      }'::text[] = '{}'
      and jsonb_typeof(p_operation -> 'pool_id') = 'string'
      and jsonb_typeof(p_operation -> 'label') = 'string'
      and coalesce(jsonb_typeof(p_operation -> 'node_id'), 'string') = 'string'
      and coalesce(jsonb_typeof(p_operation -> 'runtime'), 'string') = 'string'
      and (p_operation -> 'lease_ms' between '1' and '315360000000' and strpos(p_operation ->> 'lease_ms', '.') = 0) is not false
    when 'settle' then p_operation - '{
        op,operation_id,node_id,outcome,spend,provider,model,provider_request_id,purpose,verdict,out_ref,reason,infra,
        effective_at,tags,tool_calls,detail
      }'::text[] = '{}'
      and jsonb_typeof(p_operation -> 'node_id') = 'string'
      and p_operation ->> 'outcome' in ('done', 'down')
      and coalesce(jsonb_typeof(p_operation -> 'out_ref'), 'string') = 'string'
      and coalesce(jsonb_typeof(p_operation -> 'reason'), 'string') = 'string'
    else false
  end
  and jsonb_typeof(p_operation -> 'operation_id') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'provider'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'model'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'provider_request_id'), 'string') = 'string'
  and jsonb_typeof(p_asked) = 'object'
  and p_asked - case p_op
    when 'spawn' then '{tokens,iterations,usd}'::text[]
    else '{iterations,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,cache_write_1h_tokens,reasoning_tokens,ms,usd}'
  end = '{}'
  and p_asked ?& case p_op when 'spawn' then '{}'::text[] else '{iterations,input_tokens,output_tokens,usd}' end;
