-- Why a pool does not take another child now: null, or {code, shortfall?}. Keys are decided before (ledger_private.keyed).
create or replace function ledger_private.refusal_of_spawn(
  p_pool ledger_private.pools,
  p_budget jsonb,
  p_owns_pool boolean,
  p_at timestamptz
)
returns jsonb
language plpgsql
stable
as $$
declare
  v_channels ledger_private.channels[];
  v_payers ledger_private.channels[];
begin
  if p_pool.state = 'closed' then
    return '{"code": "pool-closed"}';
  elsif ledger_private.frozen_above(p_pool) then
    return '{"code": "pool-frozen"}';
  elsif p_at >= p_pool.deadline_at then
    return '{"code": "deadline-passed"}';
  elsif p_owns_pool and p_pool.depth_left <= 0 then
    return '{"code": "depth-exceeded"}';
  end if;
  select array_agg(c order by ledger_private.channel_order(c.channel)), array_agg(q order by ledger_private.channel_order(c.channel))
  into v_channels, v_payers
  from ledger_private.channels c
  left join ledger_private.channels q
    on q.tenant_id = c.tenant_id and q.pool_id = c.payer_pool_id and q.channel = c.channel
  where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id;
  return ledger_private.refusal_of_budget(v_channels, v_payers, p_budget);
end;
$$;
