-- Writes a journal row under the next seq of its pool's head, and what the head counts. Returns the seq.
create or replace function ledger_private.enter(
  p_event ledger_private.journal,
  p_holds integer default 0,
  p_children integer default 0,
  p_ended integer default 0,
  p_lease_at timestamptz default null
)
returns bigint
language plpgsql
as $$
declare
  v_event ledger_private.journal := p_event;
begin
  update ledger_private.pool_heads h
  set seq = h.seq + 1,
    open_holds = h.open_holds + p_holds,
    children = h.children + p_children,
    undelivered = h.undelivered + p_ended,
    next_lease_at = least(h.next_lease_at, p_lease_at)
  where h.tenant_id = v_event.tenant_id and h.pool_id = v_event.pool_id
  returning h.seq into strict v_event.seq;
  insert into ledger_private.journal select v_event.*;
  return v_event.seq;
end;
$$;
