-- The open holds of a pool whose lease (their own, else the nearest driver's above) has passed, in order of id. The head says whether any hold
-- can be due, so nodes are searched only then.
create or replace function ledger_private.lapsed_holds(p_pool ledger_private.pools, p_at timestamptz)
returns setof ledger_private.nodes
language plpgsql
stable
as $$
declare
  v_head ledger_private.pool_heads;
  v_inherited timestamptz;
begin
  select * into strict v_head from ledger_private.pool_heads h where h.tenant_id = p_pool.tenant_id and h.pool_id = p_pool.pool_id;
  if v_head.open_holds = 0 then
    return;
  end if;
  v_inherited := ledger_private.inherited_lease(p_pool.tenant_id, p_pool.pool_id);
  if coalesce(v_head.next_lease_at > p_at, true) and coalesce(v_inherited > p_at, true) then
    return;
  end if;
  return query
    select n.* from ledger_private.nodes n
    where n.tenant_id = p_pool.tenant_id and n.parent_node_id = p_pool.pool_id
      and n.status in ('pending', 'dispatched') and coalesce(n.lease_at, v_inherited) <= p_at
    order by n.node_id collate "C";
end;
$$;
