-- meter: a driver's own inference, which already happened: free -> committed, never refused for lack of funds, also late in a closed pool.
-- Errors: LG002.
create or replace function ledger_private.op_meter(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_usage ledger_private.usage;
  v_event ledger_private.journal;
  v_seq bigint;
begin
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  end if;
  v_usage := ledger_private.usage_of(p_operation -> 'spend', v_pool.token_charge);
  v_event := ledger_private.with_usage(ledger_private.metered_event(v_pool, p_operation, p_at), v_usage);
  v_seq := ledger_private.post(v_event, ledger_private.moves_of(v_usage));
  perform ledger_private.insert_lines(v_pool, v_seq, p_operation);
  return ledger_private.ok(v_pool.pool_id, v_seq);
end;
$$;
