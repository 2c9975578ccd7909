-- The plan of an experiment as its gate shows it, or null: whether some spend of its runs, those left out too, happened before or with it.
-- Spend counts by its effective_at: work dispatched before the plan and settled after it came after. registered_at is the server's clock when the
-- operation was done; it was seen by others when that transaction was committed, which who may write SQL can put off.
create or replace function ledger_private.gate_plan(p_tenant_id text, p_experiment text, p_first_spend_at timestamptz)
returns jsonb
language plpgsql
stable
as $$
declare
  v_plan ledger_private.plans;
  v_operation_id text;
begin
  select p.* into v_plan from ledger_private.plans p where p.tenant_id = p_tenant_id and p.experiment = p_experiment;
  if not found then
    return null;
  end if;
  select j.operation_id into v_operation_id
  from ledger_private.journal j where j.tenant_id = p_tenant_id and j.pool_id = v_plan.pool_id and j.seq = v_plan.seq;
  return jsonb_build_object(
    'plan_ref', v_plan.plan_ref, 'registered_at', v_plan.registered_at, 'operation_id', v_operation_id,
    'spend_first', coalesce(p_first_spend_at <= v_plan.registered_at, false), 'first_spend_at', p_first_spend_at
  );
end;
$$;
