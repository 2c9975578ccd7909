-- A node row as it is before anything happened to it.
create or replace function ledger_private.new_node(
  p_tenant_id text,
  p_node_id text,
  p_parent_node_id text,
  p_operation jsonb
)
returns ledger_private.nodes
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.nodes;
begin
  v.tenant_id := p_tenant_id;
  v.node_id := p_node_id;
  v.parent_node_id := p_parent_node_id;
  v.driver := coalesce((p_operation -> 'driver')::boolean, false);
  v.label := p_operation ->> 'label';
  v.runtime := p_operation ->> 'runtime';
  v.key := p_operation ->> 'key';
  v.task_ref := p_operation ->> 'task_ref';
  v.superseded := false;
  v.budget := coalesce(p_operation -> 'budget', '{}');
  v.hold := '{}';
  v.status := 'pending';
  v.late := false;
  return v;
end;
$$;
