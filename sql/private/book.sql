-- Books one event on one pool: its channel rows moved, its journal row under the next seq of the head, and a `drawn` row with everybody else who
-- pays a channel for it. Returns the seq; p_before: the rows that moved, as they were, those of payers too.
create or replace function ledger_private.book(
  p_pool ledger_private.pools,
  p_event ledger_private.journal,
  p_moves ledger_private.move[],
  p_holds integer,
  p_children integer,
  p_ended integer,
  p_lease_at timestamptz,
  out p_seq bigint,
  out p_before ledger_private.channels[]
)
language plpgsql
as $$
declare
  v_event ledger_private.journal := p_event;
  v_after ledger_private.channels[];
  v_draws ledger_private.move[] := '{}';
  v_payers text[] := '{}';
begin
  p_before := '{}';
  if cardinality(p_moves) > 0 then
    select m.p_before, m.p_after into p_before, v_after from ledger_private.move_channels(p_pool, p_moves) m;
    for i in 1 .. cardinality(p_moves) loop
      v_event := ledger_private.with_move(
        v_event, p_moves[i], coalesce(v_after[i].total - p_before[i].total, 0), v_after[i].remainder - p_before[i].remainder
      );
      if ledger_private.draws(p_moves[i], p_before[i]) then
        v_draws := v_draws || p_moves[i];
        v_payers := v_payers || p_before[i].payer_pool_id;
      end if;
    end loop;
  end if;
  p_seq := ledger_private.enter(v_event, p_holds, p_children, p_ended, p_lease_at);
  v_event.seq := p_seq;
  if cardinality(v_draws) > 0 then
    p_before := p_before || ledger_private.draw(v_event, v_draws, v_payers);
  end if;
end;
$$;
