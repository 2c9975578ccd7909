-- The locks of a batch of which every operation moves one open pool that pays for itself: turns, spawns, and what is said of leaves. Ascending; null
-- where one may need more than that, which ledger_private.pools_locked tells.
create or replace function ledger_private.own_keys(p_tenant_id text, p_operations jsonb)
returns bigint[]
language plpgsql
stable
as $$
begin
  return (
    select case when bool_and(p.key is not null) then array_agg(distinct p.key order by p.key) end
    from (
      select distinct coalesce(o.pool_id, n.parent_node_id) as pool_id
      from (
        select
          case when e.op ->> 'op' in ('meter', 'spawn') then e.op ->> 'pool_id' end as pool_id,
          case when e.op ->> 'op' in ('settle', 'dispatch', 'extend') then e.op ->> 'node_id' end as node_id
        from jsonb_array_elements(p_operations) e (op)
        offset 0
      ) o
      left join lateral (
        select n.parent_node_id from ledger_private.nodes n
        where n.tenant_id = p_tenant_id and n.node_id = o.node_id and not n.driver
        limit 1
      ) n on true
    ) d
    left join lateral (
      select ledger_private.lock_key(p_tenant_id, p.pool_id) as key from ledger_private.pools p
      where p.tenant_id = p_tenant_id and p.pool_id = d.pool_id and p.payers is null and p.state <> 'closed'
      limit 1
    ) p on true
  );
end;
$$;
