-- One operation, the plain way: its rules, its price where it needs one, then few statements by key. Writes nothing where the answer is refused
-- or an error (a spawn's refusal may still have taken back lapsed room). Idempotency is the caller's business (ledger_private.apply_batch).
create or replace function ledger_private.perform(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_misfit constant jsonb := ledger_private.misfit_of_operation(p_operation, p_at);
  v_operation jsonb := p_operation;
begin
  if v_misfit is not null then
    return row('error', 'LG001', v_misfit, null, null)::ledger_private.answer;
  end if;
  if p_operation ->> 'op' in ('meter', 'settle', 'cancel') then
    v_operation := ledger_private.priced(
      p_operation, ledger_private.rate_card(p_tenant_id, array[p_operation]), coalesce(ledger_private.instant(p_operation ->> 'effective_at'), p_at)
    );
  end if;
  case p_operation ->> 'op'
    when 'meter' then return ledger_private.op_meter(p_tenant_id, v_operation, p_at);
    when 'spawn' then return ledger_private.op_spawn(p_tenant_id, p_operation, p_at);
    when 'settle' then return ledger_private.op_settle(p_tenant_id, v_operation, p_at);
    when 'dispatch' then return ledger_private.op_dispatch(p_tenant_id, p_operation, p_at);
    when 'extend' then return ledger_private.op_extend(p_tenant_id, p_operation, p_at);
    when 'cancel' then return ledger_private.op_cancel(p_tenant_id, v_operation, p_at);
    when 'deliver' then return ledger_private.op_deliver(p_tenant_id, p_operation, p_at);
    when 'open_pool' then return ledger_private.op_open_pool(p_tenant_id, p_operation, p_at);
    when 'close_pool' then return ledger_private.op_close_pool(p_tenant_id, p_operation, p_at);
    when 'correct' then return ledger_private.op_correct(p_tenant_id, p_operation, p_at);
    when 'fund' then return ledger_private.op_fund(p_tenant_id, p_operation, p_at);
    when 'expire' then return ledger_private.op_expire(p_tenant_id, p_operation, p_at);
    when 'freeze', 'thaw' then return ledger_private.op_freeze(p_tenant_id, p_operation, p_at);
    when 'judge' then return ledger_private.op_judge(p_tenant_id, p_operation, p_at);
    when 'plan' then return ledger_private.op_plan(p_tenant_id, p_operation, p_at);
  end case;
end;
$$;
