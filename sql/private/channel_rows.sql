-- The rows of one pool that moves touch, in the order of the moves. A resource the pool does not have yet gets an uncapped row: spend is
-- never refused for want of one.
create or replace function ledger_private.channel_rows(
  p_tenant_id text,
  p_pool_id text,
  p_moves ledger_private.move[]
)
returns ledger_private.channels[]
language plpgsql
as $$
declare
  v_rows ledger_private.channels[];
begin
  select array_agg(c order by m.ordinality) into v_rows
  from unnest(p_moves) with ordinality m
  cross join lateral (
    select c.* from ledger_private.channels c
    where c.tenant_id = p_tenant_id and c.pool_id = p_pool_id and c.channel = m.channel
    limit 1
  ) c;
  if cardinality(v_rows) is distinct from cardinality(p_moves) then
    insert into ledger_private.channels (tenant_id, pool_id, channel)
    select p_tenant_id, p_pool_id, m.channel from unnest(p_moves) m
    on conflict do nothing;
    v_rows := ledger_private.channel_rows(p_tenant_id, p_pool_id, p_moves);
  end if;
  return v_rows;
end;
$$;
