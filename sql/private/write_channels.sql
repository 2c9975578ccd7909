-- Writes balances back, each row once.
create or replace function ledger_private.write_channels(p_rows ledger_private.channels[])
returns void
language plpgsql
as $$
begin
  update ledger_private.channels c
  set total = r.total, free = r.free, reserved = r.reserved, committed = r.committed,
    uncertain = r.uncertain, remainder = r.remainder, unknown = r.unknown, seals = r.seals
  from unnest(p_rows) r
  where c.tenant_id = r.tenant_id and c.pool_id = r.pool_id and c.channel = r.channel;
end;
$$;
