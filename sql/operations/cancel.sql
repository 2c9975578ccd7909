-- cancel: as settle; a leaf without spend is refunded if it was never dispatched, else charged as on expiry.
-- Errors: LG003, LG001 (spend or tools of a driver), LG004, LG007.
create or replace function ledger_private.op_cancel(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
begin
  return ledger_private.settle_node(p_tenant_id, p_operation, 'cancelled', p_at);
end;
$$;
