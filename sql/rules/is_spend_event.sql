-- Whether a journal row booked a spend of its own, so that it can be corrected: metered, or a leaf's ending, also the late one of an expired leaf.
create or replace function ledger_private.is_spend_event(p_event ledger_private.journal)
returns boolean
language sql
immutable
parallel safe
return p_event.source_pool_id is null
  and (p_event.kind in ('metered', 'settled', 'cancelled', 'expired') or (p_event.kind = 'corrected' and p_event.outcome is not null));
