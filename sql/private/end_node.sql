-- Writes how a node ended (ledger_private.ended). A node that was expired and is settled late keeps its terminal row and its place in the order
-- of delivery.
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
declare
  v constant ledger_private.nodes := ledger_private.ended(p_node, p_status, p_terminal_seq, p_operation, p_at);
begin
  update ledger_private.nodes n
  set status = v.status, terminal_seq = v.terminal_seq, late = v.late, verdict = v.verdict, out_ref = v.out_ref, reason = v.reason,
    infra = v.infra, ended_at = v.ended_at
  where n.tenant_id = v.tenant_id and n.node_id = v.node_id;
end;
$$;
