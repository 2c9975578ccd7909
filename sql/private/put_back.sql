-- Undoes what a fold wrote before it found that it could not go on (ledger_private.fold): heads and balances as they were, what it inserted gone.
create or replace function ledger_private.put_back(
  p_heads ledger_private.pool_heads[],
  p_rows ledger_private.channels[],
  p_operations tid[],
  p_nodes tid[]
)
returns void
language plpgsql
as $$
begin
  update ledger_private.pool_heads h
  set seq = b.seq, open_holds = b.open_holds, children = b.children, undelivered = b.undelivered, next_lease_at = b.next_lease_at
  from unnest(p_heads) b
  cross join lateral (
    select k.ctid as place from ledger_private.pool_heads k where k.tenant_id = b.tenant_id and k.pool_id = b.pool_id limit 1
  ) k
  where h.ctid = k.place;

  update ledger_private.channels c
  set free = b.free, reserved = b.reserved, committed = b.committed, uncertain = b.uncertain, unknown = b.unknown
  from unnest(p_rows) b
  cross join lateral (
    select k.ctid as place from ledger_private.channels k
    where k.tenant_id = b.tenant_id and k.pool_id = b.pool_id and k.channel = b.channel limit 1
  ) k
  where c.ctid = k.place;

  delete from ledger_private.operations o using unnest(p_operations) p (place) where o.ctid = p.place;
  delete from ledger_private.nodes n using unnest(p_nodes) p (place) where n.ctid = p.place;
end;
$$;
