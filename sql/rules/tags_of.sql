-- The tags of a node or an event: its parent's, and its own over them. Null where there are none.
create or replace function ledger_private.tags_of(p_inherited jsonb, p_own jsonb)
returns jsonb
language sql
immutable
parallel safe
return nullif(coalesce(p_inherited || p_own, p_inherited, p_own), '{}');
