-- correct: the true spend of an event, named by the operation that booked it (always the first one), and where that is older than the replay
-- window by its pool too. The difference is booked, what was uncertain is released, and it goes up through closed pools. lines: the whole truth
-- per line, of which the difference is kept; tool_calls: tools seen only now. Unknown dollars are priced as of the event that is corrected, by its
-- provider and model.
-- Errors: LG001 (`of` booked no single spend of its own).
create or replace function ledger_private.op_correct(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_event ledger_private.journal;
  v_pool ledger_private.pools;
  v_budget jsonb;
  v_operation jsonb;
  v_correction ledger_private.journal;
  v_seq bigint;
begin
  v_event := ledger_private.event_booked_by(p_tenant_id, p_operation ->> 'of', p_operation ->> 'pool_id');
  if v_event.seq is null then
    return ledger_private.failed('LG001', 'of', 'must be an operation that booked a spend of its own, of one node; not a correction'
      || case when p_operation ? 'pool_id' then ', and in the pool named' else '. Of one that is no longer kept name its pool_id too' end);
  end if;
  v_event := ledger_private.as_called(v_event);
  v_pool := ledger_private.find_pool(p_tenant_id, v_event.pool_id);
  if v_event.kind <> 'metered' then
    v_budget := (ledger_private.find_node(p_tenant_id, v_event.node_id)).budget;
  end if;
  v_operation := jsonb_strip_nulls(jsonb_build_object('provider', v_event.provider, 'model', v_event.model)) || p_operation;
  v_operation := ledger_private.priced(v_operation, ledger_private.rate_card(p_tenant_id, array[v_operation]), v_event.effective_at);
  v_correction := ledger_private.event(v_pool, 'corrected', v_operation, p_at);
  v_seq := ledger_private.correct_event(
    v_pool, v_event, ledger_private.usage_of(v_operation -> 'spend', v_pool.token_charge, v_budget), v_correction
  );
  perform ledger_private.correct_lines(v_pool, v_event, v_seq, v_operation);
  return ledger_private.ok(v_pool.pool_id, v_seq);
end;
$$;
