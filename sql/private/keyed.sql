-- What a key says about a spawn that found something in its way: an answer (the child that is done, duplicate-key, key-conflict), or null where
-- the last child with that key ended otherwise: that one is superseded and a new one may be made.
create or replace function ledger_private.keyed(p_node ledger_private.nodes)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_other ledger_private.nodes;
begin
  select * into v_other from ledger_private.nodes n
  where n.tenant_id = p_node.tenant_id and n.parent_node_id = p_node.parent_node_id and n.key = p_node.key and not n.superseded;
  if v_other.node_id is null then
    return null;
  elsif v_other.label <> p_node.label or v_other.budget <> p_node.budget then
    return ledger_private.refused(p_node.parent_node_id, '{"code": "key-conflict"}');
  elsif v_other.status = 'done' then
    return ledger_private.ok(p_node.parent_node_id, null, jsonb_build_object('node_id', v_other.node_id, 'existing', true));
  elsif v_other.status in ('pending', 'dispatched') then
    return ledger_private.refused(p_node.parent_node_id, '{"code": "duplicate-key"}');
  end if;
  update ledger_private.nodes n set superseded = true where n.tenant_id = v_other.tenant_id and n.node_id = v_other.node_id;
  return null;
end;
$$;
