-- The lease of a hold that has none of its own: that of the nearest driver above that has one. p_node_id is the owner of the hold's pool.
create or replace function ledger_private.inherited_lease(p_tenant_id text, p_node_id text)
returns timestamptz
language plpgsql
stable
as $$
declare
  v_node_id text := p_node_id;
  v_lease_at timestamptz;
begin
  while v_node_id is not null and v_lease_at is null loop
    select n.lease_at, n.parent_node_id into v_lease_at, v_node_id
    from ledger_private.nodes n where n.tenant_id = p_tenant_id and n.node_id = v_node_id;
  end loop;
  return v_lease_at;
end;
$$;
