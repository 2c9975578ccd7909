-- Books one event on one pool: its channel rows moved, then ledger_private.enter. Whoever pays a channel for this pool books a `drawn` row; a
-- pool closed under a parent carries the change up, a `corrected` row at a time, to the first open one. Returns the seq.
-- p_holds, p_children, p_ended: change of the head's open holds, children ever had, undelivered endings. p_drawn: rows of payers as they were before
-- the event that is carried up drew on them.
create or replace function ledger_private.post(
  p_event ledger_private.journal,
  p_moves ledger_private.move[] default '{}',
  p_holds integer default 0,
  p_children integer default 0,
  p_ended integer default 0,
  p_lease_at timestamptz default null,
  p_drawn ledger_private.channels[] default '{}'
)
returns bigint
language plpgsql
as $$
declare
  v_pool constant ledger_private.pools := ledger_private.find_pool(p_event.tenant_id, p_event.pool_id);
  v_event ledger_private.journal := p_event;
  v_before ledger_private.channels[];
  v_after ledger_private.channels[];
  v_draws ledger_private.move[] := '{}';
  v_payers text[] := '{}';
  v_drawn ledger_private.channels[] := p_drawn;
  v_follows boolean;
begin
  if cardinality(p_moves) > 0 then
    select m.p_before, m.p_after into v_before, v_after from ledger_private.move_channels(v_pool, p_moves) m;
    for i in 1 .. cardinality(p_moves) loop
      v_event := ledger_private.with_move(
        v_event, p_moves[i], coalesce(v_after[i].total - v_before[i].total, 0), v_after[i].remainder - v_before[i].remainder
      );
      if ledger_private.draws(p_moves[i], v_before[i]) then
        v_draws := v_draws || p_moves[i];
        v_payers := v_payers || v_before[i].payer_pool_id;
      end if;
    end loop;
  end if;
  v_event.seq := ledger_private.enter(v_event, p_holds, p_children, p_ended, p_lease_at);

  v_follows := v_pool.state = 'closed' and v_pool.parent_pool_id is not null and v_event.kind in ('metered', 'corrected');
  if cardinality(v_draws) > 0 then
    v_drawn := v_drawn || case when v_follows then ledger_private.payer_rows(v_pool.tenant_id, v_draws, v_payers) end;
    perform ledger_private.draw(v_event, v_draws, v_payers);
  end if;
  if v_follows then
    perform ledger_private.carry_up(v_pool, v_event, v_before, v_drawn);
  end if;
  return v_event.seq;
end;
$$;
