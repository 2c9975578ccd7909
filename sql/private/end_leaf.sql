-- The terminal row of a leaf (p_status done, down: `settled`; cancelled; expired): hold released, usage committed, node ended. Returns the seq.
create or replace function ledger_private.end_leaf(
  p_pool ledger_private.pools,
  p_node ledger_private.nodes,
  p_status text,
  p_usage ledger_private.usage,
  p_operation jsonb,
  p_at timestamptz
)
returns bigint
language plpgsql
as $$
declare
  v_event ledger_private.journal;
  v_seq bigint;
begin
  v_event := ledger_private.event(p_pool, case when p_status in ('done', 'down') then 'settled' else p_status end, p_operation, p_at);
  v_event := ledger_private.with_usage(ledger_private.with_ending(v_event, p_node, p_status, p_operation), p_usage);
  v_seq := ledger_private.post(v_event, ledger_private.moves_of(p_usage, p_node.hold), -1, 0, 1);
  perform ledger_private.insert_lines(p_pool, v_seq, p_operation);
  perform ledger_private.end_node(p_node, p_status, v_seq, p_operation, p_at);
  return v_seq;
end;
$$;
