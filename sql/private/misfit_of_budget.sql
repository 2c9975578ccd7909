-- What a budget gets wrong about the pool it is asked of: a capped tokens or iterations channel must be named, a resource must exist there.
-- {path, rule} or null; p_path is where the budget stands in the operation.
create or replace function ledger_private.misfit_of_budget(
  p_pool ledger_private.pools,
  p_budget jsonb,
  p_path text
)
returns jsonb
language plpgsql
stable
as $$
declare
  v_name text;
begin
  for v_name in
    select c.channel from ledger_private.channels c
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id
      and c.channel in ('tokens', 'iterations') and c.total is not null and not p_budget ? c.channel
    order by ledger_private.channel_order(c.channel)
  loop
    return jsonb_build_object('path', p_path || v_name, 'rule', format('is required: pool %s caps %s', p_pool.pool_id, v_name));
  end loop;
  for v_name in
    select b.name from jsonb_object_keys(p_budget) b (name)
    where b.name not in ('tokens', 'iterations', 'usd')
      and not exists (
        select from ledger_private.channels c
        where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id and c.channel = b.name
      )
    order by b.name
  loop
    return jsonb_build_object('path', p_path || v_name, 'rule', format('pool %s has no channel %s', p_pool.pool_id, v_name));
  end loop;
  return null;
end;
$$;
