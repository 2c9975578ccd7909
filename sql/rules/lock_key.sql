-- The advisory lock of a pool. Advisory keys share one name space with the application's own, so ours are hashed with our name; lengths come
-- first, so that no two pairs of tenant and pool read alike.
create or replace function ledger_private.lock_key(p_tenant_id text, p_pool_id text)
returns bigint
language sql
immutable
parallel safe
return hashtextextended('agent-ledger/' || char_length(p_tenant_id)::text || '/' || p_tenant_id || '/' || p_pool_id, 0);
