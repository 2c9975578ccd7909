-- The payer's row of each of a pool's rows: itself, the row of the pool above that caps the channel, or null.
create or replace function ledger_private.payers_of(p_channels ledger_private.channels[])
returns ledger_private.channels[]
language plpgsql
stable
as $$
declare
  v_payers ledger_private.channels[] := p_channels;
begin
  for i in 1 .. cardinality(p_channels) loop
    if p_channels[i].payer_pool_id is distinct from p_channels[i].pool_id then
      v_payers[i] := (
        select q from ledger_private.channels q
        where q.tenant_id = p_channels[i].tenant_id and q.pool_id = p_channels[i].payer_pool_id and q.channel = p_channels[i].channel
      );
    end if;
  end loop;
  return v_payers;
end;
$$;
