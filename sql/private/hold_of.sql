-- What a budget holds in a pool: its ceilings on the channels that the pool itself caps. Elsewhere a ceiling holds nothing and still counts.
create or replace function ledger_private.hold_of(p_pool ledger_private.pools, p_budget jsonb)
returns jsonb
language plpgsql
stable
as $$
begin
  return coalesce(
    (
      select jsonb_object_agg(c.channel, ledger_private.amount(p_budget -> c.channel))
      from ledger_private.channels c
      where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id and c.total is not null
        and ledger_private.amount(p_budget -> c.channel) > 0
    ),
    '{}'
  );
end;
$$;
