-- Expires every hold of one pool whose lease has passed; what lies below its lapsed drivers was expired before. A lapsed driver is settled `down`
-- with what its pool booked, or left alone while a child of its holds a longer lease. Returns [{node_id, charged}] as booked.
create or replace function ledger_private.expire_pool(
  p_pool ledger_private.pools,
  p_owner_lapsed boolean,
  p_operation jsonb,
  p_at timestamptz
)
returns jsonb
language plpgsql
as $$
declare
  v_node ledger_private.nodes;
  v_answer ledger_private.answer;
  v_spend jsonb;
  v_expired jsonb := '[]';
begin
  for v_node in select * from ledger_private.lapsed_holds(p_pool, p_owner_lapsed, p_at) loop
    if v_node.driver then
      v_answer := ledger_private.settle_pool(v_node, 'down', jsonb_build_object('reason', 'lease-expired') || p_operation, p_at);
      continue when v_answer.status <> 'ok';
      v_spend := v_answer.result -> 'spend';
    else
      v_spend := ledger_private.spend_json(ledger_private.expire_leaf(p_pool, v_node, p_operation, p_at));
    end if;
    v_expired := v_expired || jsonb_build_object('node_id', v_node.node_id, 'charged', ledger_private.charged_json(v_spend));
  end loop;
  perform ledger_private.refresh_lease(p_pool, p_at);
  return v_expired;
end;
$$;
