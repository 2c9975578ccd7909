-- Writes how a node ended. A node that was expired and is settled late keeps its terminal row and its place in the order of delivery.
create or replace function ledger_private.end_node(
  p_node ledger_private.nodes,
  p_status text,
  p_terminal_seq bigint,
  p_operation jsonb,
  p_at timestamptz
)
returns void
language plpgsql
as $$
begin
  update ledger_private.nodes n
  set status = p_status,
    terminal_seq = coalesce(n.terminal_seq, p_terminal_seq),
    late = n.status = 'expired',
    verdict = p_operation -> 'verdict',
    out_ref = p_operation ->> 'out_ref',
    reason = p_operation ->> 'reason',
    infra = (p_operation -> 'infra')::boolean,
    ended_at = p_at
  where n.tenant_id = p_node.tenant_id and n.node_id = p_node.node_id;
end;
$$;
