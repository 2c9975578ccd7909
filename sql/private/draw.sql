-- Books what an event spent on channels that other pools pay: one `drawn` row per payer. Balance only; no spend of the payer's owner.
create or replace function ledger_private.draw(
  p_event ledger_private.journal,
  p_moves ledger_private.move[],
  p_payers text[]
)
returns void
language plpgsql
as $$
declare
  v_payer ledger_private.pools;
  v_moves ledger_private.move[];
begin
  for v_payer in
    select p.* from (select distinct unnest(p_payers) as pool_id) d
    cross join lateral (
      select p.* from ledger_private.pools p where p.tenant_id = p_event.tenant_id and p.pool_id = d.pool_id limit 1
    ) p
    order by p.pool_id
  loop
    select array_agg(row(m.channel, 0, 0, m.spent, m.uncertain, m.unknown, m.seals, false)::ledger_private.move order by m.ordinality)
    into v_moves
    from unnest(p_moves) with ordinality m
    where p_payers[m.ordinality] = v_payer.pool_id;
    perform ledger_private.post(ledger_private.event_for(v_payer, 'drawn', p_event, p_event.node_id), v_moves);
  end loop;
end;
$$;
