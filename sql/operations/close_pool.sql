-- close_pool: a pool without open holds ends. Under a parent it is the settlement of its node, outcome done.
-- Errors: LG002, LG004, LG007.
create or replace function ledger_private.op_close_pool(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes := ledger_private.find_node(p_tenant_id, p_operation ->> 'pool_id');
  v_answer ledger_private.answer;
begin
  if v_node.node_id is null or not v_node.driver then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  end if;
  v_answer := ledger_private.settle_pool(v_node, 'done', p_operation, p_at);
  v_answer.result := case v_answer.status
    when 'ok' then jsonb_build_object('returned', v_answer.result -> 'returned')
    else v_answer.result || '{"path": "pool_id"}'
  end;
  return v_answer;
end;
$$;
