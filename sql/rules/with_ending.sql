-- A journal row with the end of a node written in: outcome, verdict, out_ref, infra, and the node's own tags.
create or replace function ledger_private.with_ending(
  p_event ledger_private.journal,
  p_node ledger_private.nodes,
  p_status text,
  p_operation jsonb
)
returns ledger_private.journal
language plpgsql
immutable
parallel safe
as $$
begin
  p_event.node_id := p_node.node_id;
  p_event.outcome := p_status;
  p_event.verdict := p_operation -> 'verdict';
  p_event.out_ref := p_operation ->> 'out_ref';
  p_event.infra := (p_operation -> 'infra')::boolean;
  p_event.tags := ledger_private.tags_of(p_node.tags, p_operation -> 'tags');
  return p_event;
end;
$$;
