-- fund: total and free together; negative takes back what is free, never more. Errors: LG002, LG001 (a child pool, an uncapped channel).
-- Refusals: pool-closed, not-free.
create or replace function ledger_private.op_fund(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_moves ledger_private.move[];
  v_uncapped text;
  v_shortfall jsonb;
  v_event ledger_private.journal;
begin
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  elsif v_pool.parent_pool_id is not null then
    return ledger_private.failed('LG001', 'pool_id', 'is funded by its reservation: only a pool without a parent can be funded');
  end if;
  select
    min(a.key) filter (where c.total is null),
    array_agg(row(a.key, a.amount, 0, 0, 0, 0, 0, false)::ledger_private.move order by ledger_private.channel_order(a.key)),
    jsonb_agg(
      jsonb_build_object('channel', a.key, 'requested', ledger_private.text_of(-a.amount), 'free', ledger_private.text_of(c.free))
      order by ledger_private.channel_order(a.key)
    ) filter (where a.amount < 0 and c.free + a.amount < 0)
  into v_uncapped, v_moves, v_shortfall
  from (select e.key, ledger_private.amount(e.value) as amount from jsonb_each(p_operation -> 'amounts') e) a
  left join ledger_private.channels c on c.tenant_id = p_tenant_id and c.pool_id = v_pool.pool_id and c.channel = a.key;
  if v_uncapped is not null then
    return ledger_private.failed('LG001', 'amounts.' || v_uncapped, 'is not a capped channel of the pool: only a total can be funded');
  elsif v_pool.state = 'closed' then
    return ledger_private.refused(v_pool.pool_id, '{"code": "pool-closed"}');
  elsif v_shortfall is not null then
    return ledger_private.refused(v_pool.pool_id, jsonb_build_object('code', 'not-free', 'shortfall', v_shortfall));
  end if;
  v_event := ledger_private.event(v_pool, 'funded', p_operation, p_at);
  v_event.node_id := v_pool.pool_id;
  return ledger_private.ok(v_pool.pool_id, ledger_private.post(v_event, v_moves));
end;
$$;
