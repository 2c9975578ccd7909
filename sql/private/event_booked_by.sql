-- The event whose spend an operation booked, so that it can be corrected: a metered turn, a leaf's ending (stated, cancelled, or expired alone),
-- for a late settlement the expiry it made true. Null where the operation booked none of its own, or several.
create or replace function ledger_private.event_booked_by(p_tenant_id text, p_operation_id text)
returns ledger_private.journal
language plpgsql
stable
as $$
declare
  v_of ledger_private.operations;
  v_node ledger_private.nodes;
  v_event ledger_private.journal;
begin
  select * into v_of from ledger_private.operations o where o.tenant_id = p_tenant_id and o.operation_id = p_operation_id;
  if v_of.result ? 'expired' then
    if jsonb_array_length(v_of.result -> 'expired') = 1 then
      v_node := ledger_private.find_node(p_tenant_id, v_of.result #>> '{expired,0,node_id}');
    end if;
    v_event := ledger_private.find_event(p_tenant_id, v_node.parent_node_id, v_node.terminal_seq);
  else
    v_event := ledger_private.find_event(p_tenant_id, v_of.pool_id, v_of.seq);
  end if;
  if not coalesce(ledger_private.is_spend_event(v_event), false) then
    return null;
  elsif v_event.corrects_seq is not null then
    return ledger_private.find_event(p_tenant_id, v_event.pool_id, v_event.corrects_seq);
  end if;
  return v_event;
end;
$$;
