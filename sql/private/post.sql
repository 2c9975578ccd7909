-- Books one event on one pool: the next seq of its head, its channel rows moved, its journal row. Whoever pays a channel for this pool books a
-- `drawn` row; a pool closed under a parent carries the change up, a `corrected` row at a time, to the first open one. The only writer of
-- balances outside the fold. Returns the seq.
-- p_holds, p_children, p_ended: change of the head's open holds, children ever had, undelivered endings.
create or replace function ledger_private.post(
  p_event ledger_private.journal,
  p_moves ledger_private.move[] default '{}',
  p_holds integer default 0,
  p_children integer default 0,
  p_ended integer default 0,
  p_lease_at timestamptz default null
)
returns bigint
language plpgsql
as $$
declare
  v_pool ledger_private.pools;
  v_event ledger_private.journal := p_event;
  v_before ledger_private.channels[];
  v_after ledger_private.channels[] := '{}';
  v_row ledger_private.channels;
  v_next ledger_private.channels;
  v_draws ledger_private.move[] := '{}';
  v_payers text[] := '{}';
  v_follows boolean;
begin
  select * into strict v_pool from ledger_private.pools p where p.tenant_id = v_event.tenant_id and p.pool_id = v_event.pool_id;
  v_follows := v_pool.state = 'closed' and v_pool.parent_pool_id is not null;

  update ledger_private.pool_heads h
  set seq = h.seq + 1,
    open_holds = h.open_holds + p_holds,
    children = h.children + p_children,
    undelivered = h.undelivered + p_ended,
    next_lease_at = least(h.next_lease_at, p_lease_at)
  where h.tenant_id = v_event.tenant_id and h.pool_id = v_event.pool_id
  returning h.seq into strict v_event.seq;

  if cardinality(p_moves) > 0 then
    v_before := ledger_private.channel_rows(v_event.tenant_id, v_event.pool_id, p_moves);
    for i in 1 .. cardinality(p_moves) loop
      v_row := v_before[i];
      v_next := ledger_private.moved(v_row, p_moves[i], v_pool.unknown_usd = 'seal', v_follows);
      v_after := v_after || v_next;
      v_event := ledger_private.with_move(
        v_event, p_moves[i], coalesce(v_next.total - v_row.total, 0), v_next.remainder - v_row.remainder
      );
      if p_moves[i].draws and v_row.payer_pool_id <> v_row.pool_id then
        v_draws := v_draws || p_moves[i];
        v_payers := v_payers || v_row.payer_pool_id;
      end if;
    end loop;
    perform ledger_private.write_channels(v_after);
  end if;
  insert into ledger_private.journal select v_event.*;

  if cardinality(v_draws) > 0 then
    perform ledger_private.draw(v_event, v_draws, v_payers);
  end if;
  if v_follows and v_event.kind in ('metered', 'corrected', 'drawn') then
    perform ledger_private.carry_up(v_pool, v_event, v_before, v_after);
  end if;
  return v_event.seq;
end;
$$;
