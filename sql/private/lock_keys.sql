-- The advisory locks of operations, ascending: the one lock order of every writer. One operation on a leaf or an open pool that pays for itself
-- needs no more than that pool.
create or replace function ledger_private.lock_keys(p_tenant_id text, p_operations jsonb)
returns bigint[]
language plpgsql
stable
as $$
declare
  v_operation constant jsonb := p_operations -> 0;
  v_pool_id text;
  v_payers text[];
  v_keys bigint[];
begin
  if jsonb_typeof(p_operations) = 'array' and jsonb_array_length(p_operations) = 1 then
    if v_operation ->> 'op' in ('meter', 'spawn') then
      select p.pool_id, p.payers into v_pool_id, v_payers from ledger_private.pools p
      where p.tenant_id = p_tenant_id and p.pool_id = v_operation ->> 'pool_id' and p.state <> 'closed';
    elsif v_operation ->> 'op' in ('settle', 'dispatch', 'extend') then
      select p.pool_id, p.payers into v_pool_id, v_payers
      from ledger_private.nodes n
      cross join lateral (
        select p.* from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = n.parent_node_id limit 1
      ) p
      where n.tenant_id = p_tenant_id and n.node_id = v_operation ->> 'node_id' and not n.driver and p.state <> 'closed';
    end if;
    if v_pool_id is not null and v_payers is null then
      return array[ledger_private.lock_key(p_tenant_id, v_pool_id)];
    end if;
  elsif jsonb_typeof(p_operations) = 'array' and jsonb_array_length(p_operations) between 2 and 1000 then
    v_keys := ledger_private.own_keys(p_tenant_id, p_operations);
    if v_keys is not null then
      return v_keys;
    end if;
  end if;
  return array(
    select distinct ledger_private.lock_key(p_tenant_id, l.pool_id)
    from unnest(ledger_private.pools_locked(p_tenant_id, p_operations)) l (pool_id)
    order by 1
  );
end;
$$;
