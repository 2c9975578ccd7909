-- extend: a new lease, from now. Accepted until the expiry is booked. Errors: LG003, LG001 (a root holds nothing), LG004.
create or replace function ledger_private.op_extend(
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
  v_lease_at constant timestamptz := p_at + (p_operation ->> 'lease_ms')::double precision * interval '1 millisecond';
  v_event ledger_private.journal;
begin
  if v_failed.status is not null then
    return v_failed;
  end if;
  v_event := ledger_private.event(ledger_private.find_pool(p_tenant_id, v_node.parent_node_id), 'extended', p_operation, p_at);
  v_event.node_id := v_node.node_id;
  v_event.tags := ledger_private.tags_of(v_node.tags, p_operation -> 'tags');
  v_event.detail := jsonb_build_object('lease_at', v_lease_at);
  update ledger_private.nodes n set lease_at = v_lease_at where n.tenant_id = p_tenant_id and n.node_id = v_node.node_id;
  return ledger_private.ok(v_node.parent_node_id, ledger_private.post(v_event, '{}', 0, 0, 0, v_lease_at));
end;
$$;
