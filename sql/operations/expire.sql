-- expire: books the end of every hold whose lease has passed, in one pool and below its lapsed drivers, or in all of the tenant (a thousand due
-- pools a call: while it finds some, ask again). Pool by pool, deepest first, so that a driver ends after all below it. Errors: LG002.
create or replace function ledger_private.op_expire(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_asked ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_reached record;
  v_expired jsonb := '[]';
  v_before bigint;
  v_after bigint;
begin
  if p_operation ? 'pool_id' and v_asked.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  end if;
  select h.seq into v_before from ledger_private.pool_heads h where h.tenant_id = p_tenant_id and h.pool_id = v_asked.pool_id;
  for v_reached in
    select b.pool_id, b.owner_lapsed from ledger_private.pools_below_lapsed(p_tenant_id, v_asked.pool_id, p_at) b
  loop
    v_expired := v_expired || ledger_private.expire_pool(
      ledger_private.find_pool(p_tenant_id, v_reached.pool_id), v_reached.owner_lapsed, p_operation, p_at
    );
  end loop;
  select h.seq into v_after from ledger_private.pool_heads h where h.tenant_id = p_tenant_id and h.pool_id = v_asked.pool_id;
  return ledger_private.ok(v_asked.pool_id, nullif(v_after, v_before), jsonb_build_object('expired', v_expired));
end;
$$;
