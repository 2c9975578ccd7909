-- settle: a leaf ends with the spend it states, the rest of its hold is refunded; above the hold the truth is booked all the same and named in
-- violations. A driver's spend is computed from its pool. An expired leaf's truth is booked as `corrected`, once.
-- Errors: LG003, LG001 (spend of a leaf is required; of a driver neither spend nor tools), LG004, LG007.
create or replace function ledger_private.op_settle(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
begin
  return ledger_private.settle_node(p_tenant_id, p_operation, p_operation ->> 'outcome', p_at);
end;
$$;
