-- Why a node has no open hold to work on: LG003 no such node, LG001 a root, LG004 ended. Null where it has one.
create or replace function ledger_private.no_open_hold(p_node ledger_private.nodes, p_operation jsonb)
returns ledger_private.answer
language plpgsql
immutable
parallel safe
as $$
begin
  return case
    when p_node.node_id is null then ledger_private.failed('LG003', 'node_id', format('there is no node %s', p_operation ->> 'node_id'))
    when p_node.parent_node_id is null
      then ledger_private.failed('LG001', 'node_id', format('%s is the root of its tree: only a hold can be dispatched or extended', p_node.node_id))
    when p_node.ended_at is not null then ledger_private.failed('LG004', 'node_id', format('node %s has already ended', p_node.node_id))
  end;
end;
$$;
