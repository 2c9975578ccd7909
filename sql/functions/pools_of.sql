-- The pools that operations lock, ascending by lock key: the pools named, those of the nodes named, their payers, and the pools above that book
-- a settlement, close, correction or late spend too. None of these links ever changes; what can (a pool closed meanwhile) is looked at again
-- under the locks.
-- Raises: LG009, LG012.
create or replace function ledger.pools_of(
  p_tenant_id text,
  p_operations jsonb
)
returns table (
  pool_id text,
  lock_key bigint
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
  v_named text[];
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  if jsonb_typeof(p_operations) is distinct from 'array' then
    perform ledger_private.raise_error('LG001', '{"path": "", "rule": "operations must be an array"}');
  end if;
  v_named := ledger_private.pools_named(p_tenant_id, p_operations);
  return query
    select l.pool_id, ledger_private.lock_key(p_tenant_id, l.pool_id)
    from (
      select unnest(v_named) as pool_id
      union
      select c.payer_pool_id
      from unnest(v_named) n (pool_id)
      cross join lateral (
        select c.payer_pool_id from ledger_private.channels c
        where c.tenant_id = p_tenant_id and c.pool_id = n.pool_id and c.payer_pool_id <> c.pool_id
        offset 0
      ) c
    ) l
    order by 2, 1;
end;
$$;
comment on function ledger.pools_of(text, jsonb) is 'The pools a batch of operations locks, in lock order, with their advisory keys.';
revoke all on function ledger.pools_of(text, jsonb) from public;
grant execute on function ledger.pools_of(text, jsonb) to ledger_admin, ledger_writer;
