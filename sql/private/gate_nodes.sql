-- The nodes of runs that keep a gate from a verdict: not ended, with a call of their own under way, or with usage that is unknown or uncertain,
-- by channel; a call that was never metered is unknown once its run has ended.
create or replace function ledger_private.gate_nodes(p_tenant_id text, p_run_ids text[])
returns table (
  run_id text,
  node_id text,
  open boolean,
  tokens boolean,
  usd boolean
)
language plpgsql
stable
rows 1000
as $$
begin
  return query
  select r.run_id, x.node_id, bool_or(x.open), bool_or(x.tokens), bool_or(x.usd)
  from unnest(p_run_ids) r (run_id)
  cross join lateral (
    with recursive tree as (
      select r.run_id as pool_id
      union all
      select c.pool_id
      from tree t
      cross join lateral (
        select p.pool_id from ledger_private.pools p
        where p.tenant_id = p_tenant_id and p.parent_pool_id = t.pool_id
        offset 0
      ) c
    )
    select n.node_id, true as open, false as tokens, false as usd
    from tree t
    cross join lateral (
      select h.open_holds from ledger_private.pool_heads h where h.tenant_id = p_tenant_id and h.pool_id = t.pool_id offset 0
    ) h
    cross join lateral (
      select n.node_id from ledger_private.nodes n
      where n.tenant_id = p_tenant_id and n.parent_node_id = t.pool_id and n.ended_at is null and h.open_holds > 0
      offset 0
    ) n
    union all
    select n.node_id, true, false, false
    from ledger_private.nodes n
    where n.tenant_id = p_tenant_id and n.node_id = r.run_id and n.parent_node_id is not null and n.ended_at is null
    union all
    select d.pool_id, o.outcome is null, o.outcome is not null, o.outcome is not null
    from ledger_private.runs o
    join ledger.calls_in_doubt d on d.tenant_id = o.tenant_id and d.run_id = o.run_id
    where o.tenant_id = p_tenant_id and o.run_id = r.run_id
    union all
    select
      j.node_id, false, coalesce(sum(j.tokens_unknown), 0) <> 0 or coalesce(sum(j.uncertain_tokens), 0) <> 0,
      coalesce(sum(j.usd_unknown), 0) <> 0 or coalesce(sum(j.uncertain_usd), 0) <> 0
    from tree t
    cross join lateral (
      select j.* from ledger_private.history j
      where j.tenant_id = p_tenant_id and j.pool_id = t.pool_id
        and j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
      offset 0
    ) j
    group by j.node_id
  ) x
  where x.open or x.tokens or x.usd
  group by r.run_id, x.node_id;
end;
$$;
