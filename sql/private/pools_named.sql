-- The pools whose balances operations move, before payers: those they name, those of the nodes they name, and the pools above that book a
-- settlement, a close, a correction or late spend too.
create or replace function ledger_private.pools_named(p_tenant_id text, p_operations jsonb)
returns text[]
language plpgsql
stable
as $$
declare
  v_pools text[];
  v_nodes text[];
  v_ending text[];
  v_more text[];
  v_looked_up boolean;
begin
  select
    array_agg(distinct n.pool_id) filter (where n.pool_id is not null)
      || array_agg(distinct n.parent_pool_id) filter (where n.parent_pool_id is not null)
      || array_agg(distinct n.run_id) filter (where n.run_id is not null),
    array_agg(distinct n.node_id) filter (where n.node_id is not null and n.op <> 'spawn'),
    array_agg(distinct coalesce(n.pool_id, n.node_id)) filter (where n.op in ('settle', 'cancel', 'close_pool', 'expire')),
    bool_or(n.op in ('correct', 'expire'))
  into v_pools, v_nodes, v_ending, v_looked_up
  from (
    select
      o.op ->> 'op' as op,
      case when jsonb_typeof(o.op -> 'pool_id') = 'string' then o.op ->> 'pool_id' end as pool_id,
      case when jsonb_typeof(o.op -> 'node_id') = 'string' then o.op ->> 'node_id' end as node_id,
      case when o.op ->> 'op' = 'open_pool' and jsonb_typeof(o.op -> 'parent_pool_id') = 'string' then o.op ->> 'parent_pool_id' end
        as parent_pool_id,
      case when o.op ->> 'op' = 'judge' and jsonb_typeof(o.op -> 'run_id') = 'string' then o.op ->> 'run_id' end as run_id
    from jsonb_array_elements(p_operations) o (op)
    where jsonb_typeof(o.op) = 'object'
    offset 0
  ) n;
  v_pools := coalesce(v_pools, '{}');
  if v_nodes is not null then
    select v_pools || coalesce(array_agg(k.pool_id), '{}') into v_pools
    from unnest(v_nodes) i (node_id)
    cross join lateral (
      select unnest(array[n.parent_node_id, case when n.driver then n.node_id end]) as pool_id
      from ledger_private.nodes n where n.tenant_id = p_tenant_id and n.node_id = i.node_id
      offset 0
    ) k
    where k.pool_id is not null;
  end if;
  if v_looked_up then
    v_pools := v_pools || ledger_private.pools_looked_up(p_tenant_id, p_operations);
  end if;
  -- a pool that ends books in its parent; so does, one above the other, each that is closed already
  v_more := v_pools;
  while cardinality(v_more) > 0 loop
    select coalesce(array_agg(distinct p.parent_pool_id), '{}') into v_more
    from unnest(v_more) m (pool_id)
    cross join lateral (
      select p.* from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = m.pool_id limit 1
    ) p
    where p.parent_pool_id <> all (v_pools) and (p.state = 'closed' or p.pool_id = any (v_ending));
    v_pools := v_pools || v_more;
  end loop;
  return v_pools;
end;
$$;
