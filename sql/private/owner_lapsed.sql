-- Whether the lease of the node that owns a pool has passed: its own, else that of the nearest driver above that has one, else it has none. What a
-- hold in the pool without a lease of its own goes by.
create or replace function ledger_private.owner_lapsed(
  p_tenant_id text,
  p_pool_id text,
  p_at timestamptz
)
returns boolean
language plpgsql
stable
as $$
declare
  v_node_id text := p_pool_id;
  v_lease_at timestamptz;
begin
  while v_node_id is not null and v_lease_at is null loop
    select n.lease_at, n.parent_node_id into v_lease_at, v_node_id
    from ledger_private.nodes n where n.tenant_id = p_tenant_id and n.node_id = v_node_id;
  end loop;
  return coalesce(v_lease_at <= p_at, false);
end;
$$;
