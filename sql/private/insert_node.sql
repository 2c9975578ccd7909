-- Claims a node id (and its key) by inserting the row: true if it is ours. Reads nothing, so strangers' spawns do not conflict.
create or replace function ledger_private.insert_node(p_node ledger_private.nodes)
returns boolean
language plpgsql
as $$
begin
  insert into ledger_private.nodes select p_node.* on conflict do nothing;
  return found;
end;
$$;
