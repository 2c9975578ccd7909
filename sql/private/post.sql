-- Books one event (ledger_private.book), and where its pool is closed under a parent, carries late spend and corrections up: each closed pool
-- above, then the first open one (or the top), writes its own `corrected` row on the node it settled there. Returns the seq of the event.
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
  v_pool ledger_private.pools := ledger_private.find_pool(p_event.tenant_id, p_event.pool_id);
  v_child ledger_private.pools;
  v_event ledger_private.journal := p_event;
  v_seq bigint;
  v_rows ledger_private.channels[];
  v_before ledger_private.channels[];
begin
  select b.p_seq, b.p_before into v_seq, v_before
  from ledger_private.book(v_pool, v_event, p_moves, p_holds, p_children, p_ended, p_lease_at) b;
  v_event.seq := v_seq;
  while v_pool.state = 'closed' and v_pool.parent_pool_id is not null and v_event.kind in ('metered', 'corrected') loop
    v_child := v_pool;
    v_pool := ledger_private.find_pool(v_child.tenant_id, v_child.parent_pool_id);
    v_event := ledger_private.carried_event(v_pool, v_event);
    select b.p_seq, b.p_before into v_event.seq, v_rows
    from ledger_private.book(v_pool, v_event, ledger_private.change_of(v_child, v_before), 0, 0, 0, null) b;
    v_before := v_before || v_rows;
  end loop;
  return v_seq;
end;
$$;
