-- freeze, thaw: stops new children of the pool and of every pool below, or lets them start again. What runs may end and is booked. Repeating is
-- ok. Errors: LG002. Refusals: pool-closed.
create or replace function ledger_private.op_freeze(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_state constant text := case p_operation ->> 'op' when 'freeze' then 'frozen' else 'open' end;
  v_event ledger_private.journal;
begin
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  elsif v_pool.state = 'closed' then
    return ledger_private.refused(v_pool.pool_id, '{"code": "pool-closed"}');
  elsif v_pool.state = v_state then
    return ledger_private.ok(v_pool.pool_id, null);
  end if;
  perform ledger_private.set_pool_state(v_pool, v_state);
  v_event := ledger_private.event(v_pool, case v_state when 'frozen' then 'frozen' else 'thawed' end, p_operation, p_at);
  v_event.node_id := v_pool.pool_id;
  return ledger_private.ok(v_pool.pool_id, ledger_private.post(v_event));
end;
$$;
