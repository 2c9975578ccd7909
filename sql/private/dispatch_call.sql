-- Announces a call of a driver's own before the provider can bill it: `dispatched` in its pool, on the node that owns the pool, whose spend the
-- call will be. No balance moves. meter_id: the operation id under which the call will be metered; whether it was is not looked up here, since
-- that would read what others write: ledger.calls_in_doubt tells. So announcing a call twice, or after it was metered, writes a row that adds
-- no doubt. What the caller gave as detail stands under `detail`, beside meter_id.
-- Errors: LG002. Refusals: pool-closed (its driver has ended: there is no call to make; what was made is metered, late).
create or replace function ledger_private.dispatch_call(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_event ledger_private.journal;
begin
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  elsif v_pool.state = 'closed' then
    return ledger_private.refused(v_pool.pool_id, '{"code": "pool-closed"}');
  end if;
  v_event := ledger_private.event(v_pool, 'dispatched', p_operation, p_at);
  v_event.node_id := v_pool.pool_id;
  v_event.turn := (p_operation -> 'turn')::integer;
  v_event.detail := jsonb_build_object('meter_id', p_operation -> 'meter_id')
    || case when p_operation ? 'detail' then jsonb_build_object('detail', p_operation -> 'detail') else '{}' end;
  return ledger_private.ok(v_pool.pool_id, ledger_private.post(v_event));
end;
$$;
