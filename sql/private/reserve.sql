-- Makes a child of a pool and its hold: `spawned`. p_node says who (status, hold and times are set here); p_operation whose row it is, p_path
-- where its budget stands. The answer is ok with node_id, a refusal, LG001 (the budget does not suit the pool) or LG011.
-- The room is taken and the node inserted without looking first (neither reads what strangers write); what stands in the way is looked at only
-- then. A spawn that would be short takes back the room of leaves whose lease has passed and that were never dispatched, and tries again.
create or replace function ledger_private.reserve(
  p_pool ledger_private.pools,
  p_node ledger_private.nodes,
  p_operation jsonb,
  p_path text,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes := p_node;
  v_rows ledger_private.channels[];
  v_misfit jsonb;
  v_refusal jsonb;
  v_answer ledger_private.answer;
begin
  if v_node.node_id is null then
    select p_pool.pool_id || ':s' || h.children into strict v_node.node_id
    from ledger_private.pool_heads h where h.tenant_id = p_pool.tenant_id and h.pool_id = p_pool.pool_id;
    if char_length(v_node.node_id) > 200 then
      return ledger_private.failed('LG001', 'node_id', format('is required: the id derived from %s would be too long', p_pool.pool_id));
    end if;
  end if;
  v_rows := ledger_private.hold(p_pool, v_node.budget);
  v_misfit := ledger_private.misfit_of_budget(v_rows, v_node.budget, p_path);
  if v_misfit is null then
    v_refusal := coalesce(
      ledger_private.refusal_of_spawn(p_pool, v_node.driver, p_at),
      ledger_private.refusal_of_budget(v_rows, ledger_private.payers_of(v_rows), v_node.budget)
    );
    v_node.tags := ledger_private.tags_of(p_pool.tags, p_operation -> 'tags');
    v_node.run_id := coalesce(v_node.run_id, p_pool.run_id);
    v_node.hold := ledger_private.hold_of(v_rows, v_node.budget);
    v_node.spawned_at := p_at;
    if v_refusal is null and v_node.node_id <> p_pool.pool_id and ledger_private.insert_node(v_node) then
      return ledger_private.enter_spawned(p_pool, v_node, p_operation, p_at);
    end if;
  end if;

  perform ledger_private.hold(p_pool, v_node.budget, -1);
  if v_misfit is not null then
    return row('error', 'LG001', v_misfit, null, null)::ledger_private.answer;
  elsif (ledger_private.find_node(p_pool.tenant_id, v_node.node_id)).node_id is not null then
    return ledger_private.failed(
      'LG011', case when p_operation ? 'node_id' then 'node_id' else 'pool_id' end, format('node %s already exists', v_node.node_id)
    );
  end if;
  v_answer := ledger_private.keyed(v_node);
  if v_answer.status is not null then
    return v_answer;
  elsif v_refusal is null then
    perform ledger_private.supersede(v_node);
  elsif v_refusal ->> 'code' <> 'budget-exhausted' or ledger_private.take_back(p_pool, p_operation, p_at) = 0 then
    return ledger_private.refused(p_pool.pool_id, v_refusal);
  end if;
  return ledger_private.reserve(p_pool, p_node, p_operation, p_path, p_at);
end;
$$;
