-- open_pool: a conserved budget and the node that owns it. Under a parent its totals are reserved there, as a node of the same id.
-- Errors: LG002 parent, LG001 (what the parent does not allow), LG011. Refusals: as spawn, from the parent.
create or replace function ledger_private.op_open_pool(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_parent ledger_private.pools;
  v_pool ledger_private.pools;
  v_node ledger_private.nodes;
  v_misfit jsonb;
  v_spawned ledger_private.answer;
  v_seq bigint;
begin
  if p_operation ? 'parent_pool_id' then
    v_parent := ledger_private.find_pool(p_tenant_id, p_operation ->> 'parent_pool_id');
    if v_parent.pool_id is null then
      return ledger_private.failed('LG002', 'parent_pool_id', format('there is no pool %s', p_operation ->> 'parent_pool_id'));
    end if;
  end if;
  v_node := ledger_private.new_node(p_tenant_id, p_operation ->> 'pool_id', v_parent.pool_id, p_operation);
  v_node.driver := true;
  v_node.label := coalesce(p_operation -> 'run' ->> 'label', p_operation ->> 'pool_id');
  v_node.budget := case when v_parent.pool_id is not null then ledger_private.totals_of(p_operation -> 'channels') else '{}' end;
  v_node.run_id := case when p_operation ? 'run' then v_node.node_id else v_parent.run_id end;
  v_misfit := ledger_private.misfit_of_open_pool(v_parent, p_operation);
  if v_misfit is not null then
    return row('error', 'LG001', v_misfit, null, null)::ledger_private.answer;
  end if;

  if v_parent.pool_id is null then
    v_node.spawned_at := p_at;
    v_node.tags := ledger_private.tags_of(null, p_operation -> 'tags');
    if not ledger_private.insert_node(v_node) then
      return ledger_private.failed('LG011', 'pool_id', format('node %s already exists', v_node.node_id));
    end if;
  else
    v_spawned := ledger_private.reserve(v_parent, v_node, p_operation, 'channels.', p_at);
    if v_spawned.status <> 'ok' then
      return v_spawned;
    end if;
  end if;
  v_pool := ledger_private.new_pool(v_parent, v_node.node_id, p_operation, p_at);
  v_pool.tenant_id := p_tenant_id;
  v_pool.run_id := v_node.run_id;
  v_seq := ledger_private.open_child(v_pool, p_operation -> 'channels', p_operation, p_at, v_spawned.seq);
  perform ledger_private.insert_run(v_pool, p_operation -> 'run', p_at);
  return ledger_private.ok(v_pool.pool_id, v_seq, jsonb_build_object('node_id', v_pool.pool_id));
end;
$$;
