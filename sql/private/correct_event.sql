-- Books the difference between what an event booked so far and its true usage: `corrected`, in the same pool, on the same node, told apart from
-- other corrections by corrects_seq. Returns the seq.
create or replace function ledger_private.correct_event(
  p_pool ledger_private.pools,
  p_booked ledger_private.journal,
  p_true ledger_private.usage,
  p_correction ledger_private.journal
)
returns bigint
language plpgsql
as $$
declare
  v_diff ledger_private.usage := ledger_private.usage_diff(p_true, ledger_private.booked_usage(p_booked));
  v_event ledger_private.journal := ledger_private.with_usage(p_correction, v_diff);
begin
  v_event.node_id := p_booked.node_id;
  v_event.corrects_seq := p_booked.seq;
  v_event.provider := coalesce(v_event.provider, p_booked.provider);
  v_event.model := coalesce(v_event.model, p_booked.model);
  v_event.provider_request_id := coalesce(v_event.provider_request_id, p_booked.provider_request_id);
  v_event.purpose := coalesce(v_event.purpose, p_booked.purpose);
  return ledger_private.post(v_event, ledger_private.moves_of(v_diff));
end;
$$;
