-- A leaf as it is after its terminal row.
create or replace function ledger_private.ended(
  p_node ledger_private.nodes,
  p_status text,
  p_terminal_seq bigint,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.nodes
language plpgsql
immutable
parallel safe
as $$
begin
  p_node.late := p_node.status = 'expired';
  p_node.status := p_status;
  p_node.terminal_seq := coalesce(p_node.terminal_seq, p_terminal_seq);
  p_node.verdict := p_operation -> 'verdict';
  p_node.out_ref := p_operation ->> 'out_ref';
  p_node.reason := p_operation ->> 'reason';
  p_node.infra := (p_operation -> 'infra')::boolean;
  p_node.ended_at := p_at;
  return p_node;
end;
$$;
