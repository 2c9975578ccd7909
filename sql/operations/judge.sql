-- judge: what a run was worth; the last judgement counts. Errors: LG003, LG001 (the node is no run).
create or replace function ledger_private.op_judge(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes := ledger_private.find_node(p_tenant_id, p_operation ->> 'run_id');
  v_event ledger_private.journal;
begin
  if v_node.node_id is null then
    return ledger_private.failed('LG003', 'run_id', format('there is no node %s', p_operation ->> 'run_id'));
  elsif v_node.run_id is distinct from v_node.node_id then
    return ledger_private.failed('LG001', 'run_id', format('node %s is not a run', v_node.node_id));
  end if;
  update ledger_private.runs r
  set resolved = (p_operation -> 'resolved')::boolean, score = (p_operation -> 'score')::numeric,
    infra = coalesce((p_operation -> 'infra')::boolean, false), judged_at = p_at
  where r.tenant_id = p_tenant_id and r.run_id = v_node.run_id;
  v_event := ledger_private.event(ledger_private.find_pool(p_tenant_id, v_node.node_id), 'judged', p_operation, p_at);
  v_event.node_id := v_node.node_id;
  v_event.infra := (p_operation -> 'infra')::boolean;
  v_event.detail := jsonb_strip_nulls(jsonb_build_object('resolved', p_operation -> 'resolved', 'score', p_operation -> 'score'));
  return ledger_private.ok(v_node.node_id, ledger_private.post(v_event));
end;
$$;
