-- The spawn of a leaf in its common form and by few statements: an open pool that pays for itself, under no freeze or deadline that has passed; no
-- key; room for all of it on channels that the pool caps. As ledger_private.book_plainly otherwise; the general path is op_spawn.
create or replace function ledger_private.spawn_plainly(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool_id constant text := p_operation ->> 'pool_id';
  v_budget constant jsonb := p_operation -> 'budget';
  v_lease_at constant timestamptz := p_at + (p_operation ->> 'lease_ms')::double precision * interval '1 millisecond';
  v_pool record;
  v_hold jsonb;
  v_suits boolean;
  v_tags jsonb;
  v_node_id text;
  v_place tid;
  v_sign integer;
  v_seq bigint;
  v_children integer;
begin
  select p.run_id, p.tags into v_pool
  from ledger_private.pools p
  where p.tenant_id = p_tenant_id and p.pool_id = v_pool_id and p.state = 'open' and p.payers is null and (p_at >= p.deadline_at) is not true
    and (select t.frozen_pools from ledger_private.tenants t where t.tenant_id = p_tenant_id) = 0;
  if not found then
    return null;
  end if;

  foreach v_sign in array '{1,-1}'::integer[] loop
    with held as (
      update ledger_private.channels c
      set free = c.free - v_sign * coalesce((v_budget ->> c.channel)::numeric, 0),
        reserved = c.reserved + v_sign * coalesce((v_budget ->> c.channel)::numeric, 0)
      where c.tenant_id = p_tenant_id and c.pool_id = v_pool_id and c.total is not null
      returning c.channel, c.free, c.seals, (v_budget ->> c.channel)::numeric as want
    )
    select
      coalesce(jsonb_object_agg(h.channel, h.want) filter (where h.want > 0), '{}'),
      coalesce(bool_and(h.free >= 0 and h.seals = 0 and (h.want is not null or h.channel not in ('tokens', 'iterations'))), true)
        and count(h.want) = (select count(*) from jsonb_object_keys(v_budget))
    into v_hold, v_suits
    from held h;

    update ledger_private.pool_heads h
    set seq = h.seq + v_sign, open_holds = h.open_holds + v_sign, children = h.children + v_sign,
      next_lease_at = case when v_sign > 0 then least(h.next_lease_at, v_lease_at) else h.next_lease_at end
    where h.tenant_id = p_tenant_id and h.pool_id = v_pool_id
    returning h.seq, h.children - 1 into strict v_seq, v_children;
    if v_sign < 0 then
      return null;
    end if;

    v_node_id := coalesce(p_operation ->> 'node_id', v_pool_id || ':s' || v_children);
    v_tags := ledger_private.tags_of(v_pool.tags, p_operation -> 'tags');
    continue when not v_suits or v_node_id = v_pool_id or char_length(v_node_id) > 200;
    insert into ledger_private.nodes (
      tenant_id, node_id, parent_node_id, run_id, label, runtime, task_ref, budget, hold, tags, lease_at, spawned_at
    ) values (
      p_tenant_id, v_node_id, v_pool_id, v_pool.run_id, p_operation ->> 'label', p_operation ->> 'runtime', p_operation ->> 'task_ref',
      v_budget, v_hold, v_tags, v_lease_at, p_at
    )
    on conflict do nothing
    returning ctid into v_place;
    continue when not found;
    insert into ledger_private.operations (tenant_id, operation_id, digest, pool_id, seq, at)
    values (p_tenant_id, p_operation ->> 'operation_id', ledger_private.digest_of(p_operation), v_pool_id, v_seq, p_at)
    on conflict do nothing;
    exit when found;
    delete from ledger_private.nodes n where n.ctid = v_place;
  end loop;

  insert into ledger_private.journal (
    tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, tags, tokens_held, iterations_held, usd_held
  ) values (
    p_tenant_id, v_pool_id, v_seq, 'spawned', p_operation ->> 'operation_id', p_at,
    coalesce((p_operation ->> 'effective_at')::timestamptz, p_at), v_pool.run_id, v_node_id, v_tags,
    (v_hold ->> 'tokens')::numeric, (v_hold ->> 'iterations')::numeric, (v_hold ->> 'usd')::numeric
  );
  return row('ok', null, jsonb_build_object('node_id', v_node_id), v_pool_id, v_seq)::ledger_private.answer;
end;
$$;
