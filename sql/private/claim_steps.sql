-- Claims the operation ids of steps and the ids of the children they make by inserting the rows, which reads nothing (p_node_ids: by step, null where
-- none is made). p_stop: the first step of which an id was taken, before this call or in it; null where all are ours. p_operations, p_nodes: where
-- the rows are that were inserted.
create or replace function ledger_private.claim_steps(
  p_tenant_id text,
  p_steps ledger_private.step[],
  p_seqs bigint[],
  p_node_ids text[],
  p_at timestamptz,
  out p_stop integer,
  out p_operations tid[],
  out p_nodes tid[]
)
language plpgsql
as $$
declare
  v_ids text[];
begin
  with claimed as (
    insert into ledger_private.operations (tenant_id, operation_id, digest, pool_id, seq, at)
    select p_tenant_id, s.operation_id, ledger_private.digest_of(s.operation), s.pool_id, p_seqs[s.n], p_at
    from unnest(p_steps) s
    on conflict do nothing
    returning operation_id, ctid as place
  )
  select array_agg(c.operation_id), array_agg(c.place) into v_ids, p_operations from claimed c;
  if coalesce(cardinality(v_ids), 0) < cardinality(p_steps) then
    p_stop := ledger_private.first_taken(array(select s.operation_id from unnest(p_steps) s order by s.n), v_ids);
    return;
  elsif p_node_ids is null then
    return;
  end if;

  with made as (
    insert into ledger_private.nodes (
      tenant_id, node_id, parent_node_id, run_id, label, runtime, task_ref, budget, hold, tags, lease_at, spawned_at
    )
    select
      p_tenant_id, p_node_ids[s.n], s.pool_id, s.run_id, s.operation ->> 'label', s.operation ->> 'runtime', s.operation ->> 'task_ref', s.budget,
      jsonb_strip_nulls(jsonb_build_object(
        'tokens', nullif(s.tokens_held, 0), 'iterations', nullif(s.iterations_held, 0), 'usd', nullif(s.usd_held, 0)
      )),
      s.tags, s.lease_at, p_at
    from unnest(p_steps) s
    where s.op = 'spawn'
    on conflict do nothing
    returning node_id, ctid as place
  )
  select array_agg(m.node_id), array_agg(m.place) into v_ids, p_nodes from made m;
  if coalesce(cardinality(v_ids), 0) < cardinality(array_remove(p_node_ids, null)) then
    p_stop := ledger_private.first_taken(p_node_ids, v_ids);
  end if;
end;
$$;
