-- The rows that moves are about to draw on, parallel to their payers.
create or replace function ledger_private.payer_rows(
  p_tenant_id text,
  p_moves ledger_private.move[],
  p_payers text[]
)
returns ledger_private.channels[]
language plpgsql
stable
as $$
begin
  return array(
    select c
    from unnest(p_moves) with ordinality m
    cross join lateral (
      select c.* from ledger_private.channels c
      where c.tenant_id = p_tenant_id and c.pool_id = p_payers[m.ordinality] and c.channel = m.channel
      limit 1
    ) c
  );
end;
$$;
