-- Writes what a fold worked out, each row once: heads, rows, nodes that changed, journal. (New nodes are inserted before, by the fold.)
create or replace function ledger_private.store_fold(
  p_heads ledger_private.pool_heads[],
  p_rows ledger_private.channels[],
  p_nodes ledger_private.nodes[],
  p_events ledger_private.journal[]
)
returns void
language plpgsql
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  update ledger_private.pool_heads h
  set seq = n.seq, open_holds = n.open_holds, children = n.children, undelivered = n.undelivered, next_lease_at = n.next_lease_at
  from unnest(p_heads) n
  where h.tenant_id = n.tenant_id and h.pool_id = n.pool_id and h.seq <> n.seq;

  update ledger_private.channels c
  set total = n.total, free = n.free, reserved = n.reserved, committed = n.committed,
    uncertain = n.uncertain, remainder = n.remainder, unknown = n.unknown, seals = n.seals
  from unnest(p_rows) n
  where c.tenant_id = n.tenant_id and c.pool_id = n.pool_id and c.channel = n.channel
    and (c.reserved, c.committed, c.uncertain, c.remainder, c.unknown, c.seals)
      is distinct from (n.reserved, n.committed, n.uncertain, n.remainder, n.unknown, n.seals);

  update ledger_private.nodes k
  set status = n.status, terminal_seq = n.terminal_seq, verdict = n.verdict, out_ref = n.out_ref, reason = n.reason, infra = n.infra,
    dispatched_at = n.dispatched_at, ended_at = n.ended_at
  from unnest(p_nodes) n
  where k.tenant_id = n.tenant_id and k.node_id = n.node_id and k.status <> n.status;

  insert into ledger_private.journal select e.* from unnest(p_events) e;
end;
$$;
