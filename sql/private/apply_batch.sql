-- Operations in order, as fast as they can be: one alone takes the plain path; in a batch, runs of common operations are folded and the rest
-- take the plain path between them. An id that is taken is answered from what is kept, after everything before it in the batch was kept too.
-- So is a `correct`, whose `of` may stand before it. A fold that keeps stopping is not worth its loading: then the rest goes the plain way.
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
  v_places tid[] := ledger_private.claim(p_tenant_id, p_operations, p_at);
  v_answers ledger_private.answer[] := '{}';
  v_folded ledger_private.answer[];
  v_answer ledger_private.answer;
  v_kept integer := 0;
  v_next integer := 1;
  v_until integer;
  v_stops integer := 0;
begin
  while v_next <= v_size loop
    v_until := v_next;
    while v_until <= v_size and v_stops < 8 and v_places[v_until] is not null and ledger_private.foldable(p_operations[v_until]) loop
      v_until := v_until + 1;
    end loop;
    if v_until - v_next > 1 then
      v_folded := ledger_private.fold(p_tenant_id, p_operations[v_next:v_until - 1], p_at);
      v_answers := v_answers || v_folded;
      v_next := v_next + cardinality(v_folded);
      continue when v_next = v_until;
      v_stops := case when cardinality(v_folded) < v_until - v_next then v_stops + 1 else 0 end;
    end if;

    if v_places[v_next] is null or p_operations[v_next] ->> 'op' = 'correct' then
      perform ledger_private.keep(
        p_operations[v_kept + 1:v_next - 1], v_places[v_kept + 1:v_next - 1], v_answers[v_kept + 1:v_next - 1]
      );
      v_kept := v_next - 1;
    end if;
    v_answer := null;
    if v_places[v_next] is null and ledger_private.fits('id', p_operations[v_next] -> 'operation_id') then
      v_places[v_next] := (ledger_private.claim(p_tenant_id, array[p_operations[v_next]], p_at))[1];
      v_answer := case when v_places[v_next] is null then ledger_private.replay(p_tenant_id, p_operations[v_next]) end;
    end if;
    if v_answer.status is null then
      v_answer := ledger_private.perform(p_tenant_id, p_operations[v_next], p_at);
    end if;
    v_answers := v_answers || v_answer;
    v_next := v_next + 1;
  end loop;
  perform ledger_private.keep(p_operations[v_kept + 1:v_size], v_places[v_kept + 1:v_size], v_answers[v_kept + 1:v_size]);
  return v_answers;
end;
$$;
