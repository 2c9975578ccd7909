-- What an answer says besides its place, from the journal row that carries the operation: the node that was made, or what an ending
-- booked and where that is above its ceilings (neither changes: corrections are rows of their own). Null for the others.
create or replace function ledger_private.result_of(p_tenant_id text, p_pool_id text, p_seq bigint)
returns jsonb
language plpgsql
stable
as $$
declare
  v_event constant ledger_private.journal := ledger_private.find_event(p_tenant_id, p_pool_id, p_seq);
begin
  return case
    when v_event.kind = 'spawned' then jsonb_build_object('node_id', v_event.node_id)
    when v_event.kind in ('settled', 'cancelled') then ledger_private.ending_json(
      ledger_private.usage_in(v_event), (ledger_private.find_node(p_tenant_id, v_event.node_id)).budget
    )
  end;
end;
$$;
