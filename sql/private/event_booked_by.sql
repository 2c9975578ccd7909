-- The event whose spend an operation booked, so that it can be corrected: a metered turn, a leaf's ending (stated, cancelled, or expired as the
-- only leaf), for a late settlement the expiry it made true. Null where the operation booked none of its own, or several. Where the operation is
-- no longer kept, its event is looked for in the pool named; where both are known, they must agree.
create or replace function ledger_private.event_booked_by(
  p_tenant_id text,
  p_operation_id text,
  p_pool_id text default null
)
returns ledger_private.journal
language plpgsql
stable
as $$
declare
  v_of ledger_private.operations;
  v_leaves ledger_private.nodes[];
  v_event ledger_private.journal;
begin
  select * into v_of from ledger_private.operations o where o.tenant_id = p_tenant_id and o.operation_id = p_operation_id;
  if v_of.operation_id is null then
    v_event := ledger_private.event_in_pool(p_tenant_id, p_operation_id, p_pool_id);
  elsif v_of.result ? 'expired' then
    v_leaves := array(
      select n
      from jsonb_array_elements(v_of.result -> 'expired') e
      cross join lateral ledger_private.find_node(p_tenant_id, e ->> 'node_id') n
      where not n.driver
      limit 2
    );
    if cardinality(v_leaves) = 1 then
      v_event := ledger_private.find_event(p_tenant_id, v_leaves[1].parent_node_id, v_leaves[1].terminal_seq);
    end if;
  else
    v_event := ledger_private.find_event(p_tenant_id, v_of.pool_id, v_of.seq);
  end if;
  if not coalesce(ledger_private.is_spend_event(v_event) and v_event.pool_id = coalesce(p_pool_id, v_event.pool_id), false) then
    return null;
  elsif v_event.corrects_seq is not null then
    return ledger_private.find_event(p_tenant_id, v_event.pool_id, v_event.corrects_seq);
  end if;
  return v_event;
end;
$$;
