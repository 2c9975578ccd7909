-- The pools of those ids that exist in this tenant, those that pay for them, their heads and their rows: what a fold works on. Heads and rows
-- are read by writing them as they are, row after row, for the reason given in ledger_private.move_channels: found by key, pool by pool, and
-- written by place, because an update joined with the list of pools may be planned as a scan of all the tenant has.
create or replace function ledger_private.load_pools(
  p_tenant_id text,
  p_pool_ids text[],
  out p_pools ledger_private.pools[],
  out p_heads ledger_private.pool_heads[],
  out p_rows ledger_private.channels[]
)
language plpgsql
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  p_pools := array(
    select p
    from (
      select unnest(p_pool_ids) as pool_id
      union
      select unnest(p.payers)
      from unnest(p_pool_ids) i (pool_id)
      cross join lateral (
        select p.payers from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = i.pool_id limit 1
      ) p
    ) i
    cross join lateral (
      select p.* from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = i.pool_id limit 1
    ) p
    order by p.pool_id
  );
  with touched as (
    update ledger_private.pool_heads h set seq = h.seq
    from unnest(p_pools) p
    cross join lateral (
      select k.ctid as place from ledger_private.pool_heads k where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id limit 1
    ) k
    where h.ctid = k.place
    returning h as head
  )
  select array_agg(t.head order by (t.head).pool_id) into p_heads from touched t;
  with touched as (
    update ledger_private.channels c set reserved = c.reserved
    from unnest(p_pools) p
    cross join lateral (
      select k.ctid as place from ledger_private.channels k where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id
      offset 0
    ) k
    where c.ctid = k.place
    returning c as row
  )
  select array_agg(t.row order by (t.row).pool_id, ledger_private.channel_order((t.row).channel)) into p_rows from touched t;
end;
$$;
