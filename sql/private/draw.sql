-- Books what an event spent on channels that other pools pay: one `drawn` row per payer. Balance only; no spend of the payer's owner. Returns the
-- payers' rows as they were.
create or replace function ledger_private.draw(
  p_event ledger_private.journal,
  p_moves ledger_private.move[],
  p_payers text[]
)
returns ledger_private.channels[]
language plpgsql
as $$
declare
  v_payer_id text;
  v_payer ledger_private.pools;
  v_moves ledger_private.move[];
  v_rows ledger_private.channels[];
  v_before ledger_private.channels[] := '{}';
begin
  foreach v_payer_id in array array(select distinct p.id from unnest(p_payers) p (id) order by p.id) loop
    v_payer := ledger_private.find_pool(p_event.tenant_id, v_payer_id);
    v_moves := array(
      select row(m.channel, 0, 0, m.spent, m.uncertain, m.unknown, m.seals, false)::ledger_private.move
      from unnest(p_moves) with ordinality m
      where p_payers[m.ordinality] = v_payer_id
      order by m.ordinality
    );
    select b.p_before into v_rows
    from ledger_private.book(v_payer, ledger_private.event_for(v_payer, 'drawn', p_event, p_event.node_id), v_moves, 0, 0, 0, null) b;
    v_before := v_before || v_rows;
  end loop;
  return v_before;
end;
$$;
