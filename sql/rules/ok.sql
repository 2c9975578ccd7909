-- The answer of an operation that was done; p_extra is what result holds besides pool_id and seq.
create or replace function ledger_private.ok(
  p_pool_id text,
  p_seq bigint,
  p_extra jsonb default null
)
returns ledger_private.answer
language sql
immutable
parallel safe
return row('ok', null, p_extra, p_pool_id, p_seq)::ledger_private.answer;
