-- Whether an operation may stand in a fold: the common ones, in their common form. The rest take the plain path.
create or replace function ledger_private.foldable(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation ->> 'op' in ('meter', 'spawn', 'settle', 'dispatch', 'cancel')
  and not p_operation ?| array['key', 'driver', 'lines', 'meter_id'];
