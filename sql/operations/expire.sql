-- expire: books the end of every hold whose lease has passed, in one pool (and below its lapsed drivers) or in all of the tenant, in order of
-- id (a thousand pools a call: while it finds some, ask again). Errors: LG002.
create or replace function ledger_private.op_expire(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools;
  v_expired jsonb := '[]';
  v_before bigint;
  v_last bigint;
begin
  if p_operation ? 'pool_id' then
    v_pool := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
    if v_pool.pool_id is null then
      return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
    end if;
    select h.seq into strict v_before from ledger_private.pool_heads h where h.tenant_id = p_tenant_id and h.pool_id = v_pool.pool_id;
    v_expired := ledger_private.expire_pool(v_pool, p_operation, p_at);
    select h.seq into strict v_last from ledger_private.pool_heads h where h.tenant_id = p_tenant_id and h.pool_id = v_pool.pool_id;
    return ledger_private.ok(v_pool.pool_id, nullif(v_last, v_before), jsonb_build_object('expired', v_expired));
  end if;
  for v_pool in
    select p.* from ledger_private.due_pools(p_tenant_id, p_at) d
    cross join lateral ledger_private.find_pool(p_tenant_id, d.pool_id) p
    order by p.pool_id collate "C"
  loop
    v_expired := v_expired || ledger_private.expire_pool(v_pool, p_operation, p_at);
  end loop;
  return ledger_private.ok(null, null, jsonb_build_object('expired', v_expired));
end;
$$;
