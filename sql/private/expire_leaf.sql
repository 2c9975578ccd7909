-- Books the expiry of a leaf: dispatched, its declared ceilings are charged as uncertain, since the provider may have billed; else its room goes
-- back. Returns the usage charged.
create or replace function ledger_private.expire_leaf(
  p_pool ledger_private.pools,
  p_node ledger_private.nodes,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.usage
language plpgsql
as $$
declare
  v_usage ledger_private.usage := ledger_private.unreported_usage(p_node);
begin
  perform ledger_private.end_leaf(p_pool, p_node, 'expired', v_usage, jsonb_build_object('reason', 'lease-expired') || p_operation, p_at);
  return v_usage;
end;
$$;
