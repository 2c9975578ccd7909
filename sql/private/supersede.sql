-- Frees the key of the last child that had it, so that a new one can be made.
create or replace function ledger_private.supersede(p_node ledger_private.nodes)
returns void
language plpgsql
as $$
begin
  update ledger_private.nodes n set superseded = true
  where n.tenant_id = p_node.tenant_id and n.parent_node_id = p_node.parent_node_id and n.key = p_node.key and not n.superseded;
end;
$$;
