-- dispatch: from here the provider may bill. Repeating it is ok. Errors: LG003, LG001 (a root holds nothing), LG004.
create or replace function ledger_private.op_dispatch(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes := ledger_private.find_node(p_tenant_id, p_operation ->> 'node_id');
  v_failed ledger_private.answer := ledger_private.no_open_hold(v_node, p_operation);
  v_event ledger_private.journal;
begin
  if v_failed.status is not null then
    return v_failed;
  elsif v_node.status = 'dispatched' then
    return ledger_private.ok(v_node.parent_node_id, null);
  end if;
  v_event := ledger_private.event(ledger_private.find_pool(p_tenant_id, v_node.parent_node_id), 'dispatched', p_operation, p_at);
  v_event.node_id := v_node.node_id;
  v_event.tags := ledger_private.tags_of(v_node.tags, p_operation -> 'tags');
  update ledger_private.nodes n set status = 'dispatched', dispatched_at = p_at where n.tenant_id = p_tenant_id and n.node_id = v_node.node_id;
  return ledger_private.ok(v_node.parent_node_id, ledger_private.post(v_event));
end;
$$;
