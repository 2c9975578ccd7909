-- Makes a child of a pool and its hold: `spawned`. p_node says who (status, hold and times are set here); p_operation whose row it is.
-- The answer is ok with node_id, a refusal, or LG011. A spawn that would be short first takes back the room of leaves whose lease has passed
-- and that were never dispatched.
create or replace function ledger_private.reserve(
  p_pool ledger_private.pools,
  p_node ledger_private.nodes,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes := p_node;
  v_refusal jsonb;
  v_answer ledger_private.answer;
  v_event ledger_private.journal;
  v_made boolean := false;
begin
  v_node.tags := ledger_private.tags_of(p_pool.tags, p_operation -> 'tags');
  v_node.run_id := coalesce(v_node.run_id, p_pool.run_id);
  v_node.spawned_at := p_at;
  v_node.hold := ledger_private.hold_of(p_pool, v_node.budget);
  if v_node.node_id is null then
    select p_pool.pool_id || ':s' || h.children into strict v_node.node_id
    from ledger_private.pool_heads h where h.tenant_id = p_pool.tenant_id and h.pool_id = p_pool.pool_id;
  end if;

  v_refusal := ledger_private.refusal_of_spawn(p_pool, v_node.budget, v_node.driver, p_at);
  if v_refusal is null then
    v_made := ledger_private.insert_node(v_node);
  end if;
  if not v_made then
    if (ledger_private.find_node(p_pool.tenant_id, v_node.node_id)).node_id is not null then
      return ledger_private.failed('LG011', case when p_operation ? 'node_id' then 'node_id' else 'pool_id' end, format('node %s already exists', v_node.node_id));
    end if;
    v_answer := case when v_node.key is not null then ledger_private.keyed(v_node) end;
    if v_answer.status is not null then
      return v_answer;
    end if;
    if v_refusal ->> 'code' = 'budget-exhausted' and ledger_private.take_back(p_pool, p_operation, p_at) > 0 then
      v_refusal := ledger_private.refusal_of_spawn(p_pool, v_node.budget, v_node.driver, p_at);
    end if;
    if v_refusal is not null then
      return ledger_private.refused(p_pool.pool_id, v_refusal);
    end if;
    perform ledger_private.insert_node(v_node);
  end if;

  v_event := ledger_private.event(p_pool, 'spawned', p_operation, p_at);
  v_event.node_id := v_node.node_id;
  return ledger_private.ok(
    p_pool.pool_id,
    ledger_private.post(v_event, ledger_private.holding(v_node.hold), 1, 1, 0, v_node.lease_at),
    jsonb_build_object('node_id', v_node.node_id)
  );
end;
$$;
