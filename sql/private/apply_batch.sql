-- Operations in order, as fast as they can be: one alone takes the plain path; in a batch, runs of common operations are folded and the rest
-- take the plain path between them. Keeps the answers; what a `correct` names may stand before it in the same batch, so those are kept first.
-- Raises LG000 (ledger_private.claim) where an id was used before.
create or replace function ledger_private.apply_batch(
  p_tenant_id text,
  p_operations jsonb[],
  p_at timestamptz
)
returns ledger_private.answer[]
language plpgsql
as $$
declare
  v_size constant integer := cardinality(p_operations);
  v_answers ledger_private.answer[] := '{}';
  v_done integer := 0;
  v_kept integer := 0;
begin
  while v_done < v_size loop
    if p_operations[v_done + 1] ->> 'op' = 'correct' and v_kept < v_done then
      perform ledger_private.claim(p_tenant_id, p_operations[v_kept + 1:v_done], v_answers[v_kept + 1:v_done], p_at);
      v_kept := v_done;
    end if;
    v_answers := v_answers || ledger_private.perform(p_tenant_id, p_operations[v_done + 1], p_at);
    v_done := cardinality(v_answers);
  end loop;
  perform ledger_private.claim(p_tenant_id, p_operations[v_kept + 1:v_size], v_answers[v_kept + 1:v_size], p_at);
  return v_answers;
end;
$$;
