-- plan: registers the plan of an experiment, once: the digest of a stored blob enters the journal of the pool. Moves nothing.
-- Errors: LG002, LG001 (no such blob), LG011 (the experiment has a plan).
create or replace function ledger_private.op_plan(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_experiment constant text := p_operation ->> 'experiment';
  v_plan_ref constant text := p_operation ->> 'plan_ref';
  v_event ledger_private.journal;
begin
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  elsif not exists (select from ledger_private.blobs b where b.tenant_id = p_tenant_id and b.blob_id = v_plan_ref) then
    return ledger_private.failed('LG001', 'plan_ref', 'must be the id of a stored blob: ledger.put_blob stores one');
  elsif exists (select from ledger_private.plans p where p.tenant_id = p_tenant_id and p.experiment = v_experiment) then
    return ledger_private.failed('LG011', 'experiment', format('experiment %s has a plan already', v_experiment));
  end if;
  v_event := ledger_private.event(v_pool, 'planned', p_operation, p_at);
  v_event.node_id := v_pool.pool_id;
  v_event.detail := jsonb_build_object('experiment', v_experiment, 'plan_ref', v_plan_ref);
  v_event.seq := ledger_private.post(v_event);
  insert into ledger_private.plans (tenant_id, experiment, plan_ref, pool_id, seq, registered_at, registered_by)
  values (p_tenant_id, v_experiment, v_plan_ref, v_pool.pool_id, v_event.seq, p_at, session_user);
  return ledger_private.ok(v_pool.pool_id, v_event.seq);
end;
$$;
