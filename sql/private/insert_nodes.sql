-- Claims the ids of new nodes by inserting them: null if all are ours, else the position of the first that is not, and none is inserted.
create or replace function ledger_private.insert_nodes(p_nodes ledger_private.nodes[])
returns integer
language plpgsql
as $$
declare
  v_ids text[];
  v_places tid[];
  v_conflict integer;
begin
  if coalesce(cardinality(p_nodes), 0) = 0 then
    return null;
  end if;
  with inserted as (
    insert into ledger_private.nodes select n.* from unnest(p_nodes) n on conflict do nothing
    returning node_id, ctid as place
  )
  select array_agg(i.node_id), array_agg(i.place) into v_ids, v_places from inserted i;
  if coalesce(cardinality(v_ids), 0) = cardinality(p_nodes) then
    return null;
  end if;
  delete from ledger_private.nodes n using unnest(v_places) p (place) where n.ctid = p.place;
  for i in 1 .. cardinality(p_nodes) loop
    v_conflict := i;
    exit when p_nodes[i].node_id <> all (coalesce(v_ids, '{}'));
  end loop;
  return v_conflict;
end;
$$;
