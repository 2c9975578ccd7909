-- The node of that id in this tenant, or null.
create or replace function ledger_private.find_node(p_tenant_id text, p_node_id text)
returns ledger_private.nodes
language plpgsql
stable
as $$
declare
  v_node ledger_private.nodes;
begin
  select * into v_node from ledger_private.nodes n where n.tenant_id = p_tenant_id and n.node_id = p_node_id;
  return v_node;
end;
$$;
