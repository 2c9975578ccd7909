-- The nodes of those ids that exist in this tenant.
create or replace function ledger_private.load_nodes(p_tenant_id text, p_node_ids text[])
returns ledger_private.nodes[]
language plpgsql
stable
as $$
begin
  return array(
    select n
    from unnest(p_node_ids) i (node_id)
    cross join lateral (
      select n.* from ledger_private.nodes n where n.tenant_id = p_tenant_id and n.node_id = i.node_id limit 1
    ) n
  );
end;
$$;
