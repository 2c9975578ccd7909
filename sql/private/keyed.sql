-- What a key says about a spawn that found something in its way: an answer (the child that is done, duplicate-key, key-conflict), or null where
-- no child has that key, or the last one that had it ended otherwise.
-- What the key stands for is the task, where task_ref states it, and then that alone: a piece of work that failed may be tried again with more
-- room, under another label. Else it is label and budget. Stated for one of the two only, nobody can tell that they are the same: a conflict.
create or replace function ledger_private.keyed(p_node ledger_private.nodes)
returns ledger_private.answer
language plpgsql
stable
as $$
declare
  v_other ledger_private.nodes;
begin
  select * into v_other from ledger_private.nodes n
  where n.tenant_id = p_node.tenant_id and n.parent_node_id = p_node.parent_node_id and n.key = p_node.key and not n.superseded;
  return case
    when v_other.node_id is null then null
    when v_other.task_ref is distinct from p_node.task_ref
      or (p_node.task_ref is null and (v_other.label <> p_node.label or v_other.budget <> p_node.budget))
      then ledger_private.refused(p_node.parent_node_id, '{"code": "key-conflict"}')
    when v_other.status = 'done'
      then ledger_private.ok(p_node.parent_node_id, null, jsonb_build_object('node_id', v_other.node_id, 'existing', true))
    when v_other.ended_at is null then ledger_private.refused(p_node.parent_node_id, '{"code": "duplicate-key"}')
  end;
end;
$$;
