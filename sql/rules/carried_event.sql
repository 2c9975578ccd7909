-- The `corrected` row of a parent for what happened late in a child's closed pool: the same usage, on the node that was settled.
create or replace function ledger_private.carried_event(
  p_parent ledger_private.pools,
  p_event ledger_private.journal
)
returns ledger_private.journal
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.journal := ledger_private.event_for(p_parent, 'corrected', p_event, p_event.pool_id);
begin
  v := ledger_private.with_usage(v, ledger_private.usage_in(p_event));
  v.reason := p_event.reason;
  return v;
end;
$$;
