-- Nodes of a run of which the ledger does not know all, one row per node and gap. never-settled: a child that is open and holds something, was
-- dispatched or drives; its channels are those it holds (tokens and usd where it holds nothing). unreported: by tokens, usd or both, a node with
-- an event of unknown usage that nobody corrected, or a call in doubt (both). An estimate of dollars is no gap. A ceiling charged for silence is;
-- the journal has no word for it, so a leaf is taken to be charged so where its uncertain dollars are exactly its ceiling. What a seal took is
-- nobody's gap. Each pool's journal is read once and grouped by what it is asked; other rows are found by key.
create or replace view ledger.spend_gaps
with (security_invoker = true)
as
select r.tenant_id, r.run_id, x.node_id, x.gap, x.channels
from ledger_private.runs r
cross join lateral (
  with recursive tree as (
    select r.run_id as pool_id
    union all
    select c.pool_id
    from tree t
    cross join lateral (
      select k.pool_id from ledger_private.pools k where k.tenant_id = r.tenant_id and k.parent_pool_id = t.pool_id
      offset 0
    ) c
  ),
  calls as (
    select
      t.pool_id, j.node_id, j.kind = 'metered' as metered, j.kind = 'dispatched' as announced,
      case j.kind when 'metered' then j.operation_id when 'dispatched' then j.detail ->> 'meter_id' end as meter_id,
      j.tokens_unknown, j.usd_unknown, j.usd_seals, j.uncertain_usd
    from tree t
    cross join lateral (
      select
        k.node_id, k.kind, k.operation_id, k.detail, k.tokens_unknown, k.usd_unknown, k.usd_seals, k.uncertain_usd
      from ledger_private.history k
      where k.tenant_id = r.tenant_id and k.pool_id = t.pool_id and k.source_pool_id is null
        and (
          k.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
          or (k.kind = 'dispatched' and k.node_id = k.pool_id)
        )
      offset 0
    ) j
  ),
  by_call as (
    -- corrections and endings have no call of their own: they are one group per node
    select
      c.pool_id, c.node_id, bool_or(c.announced) and not bool_or(c.metered) as in_doubt, sum(c.tokens_unknown) as tokens_unknown,
      sum(c.usd_unknown) as usd_unknown, sum(c.usd_seals) as usd_seals, sum(c.uncertain_usd) as uncertain_usd
    from calls c
    group by c.pool_id, c.node_id, c.meter_id
  ),
  by_node as (
    select
      c.pool_id, c.node_id, bool_or(c.in_doubt) as in_doubt, coalesce(sum(c.tokens_unknown), 0) as tokens_unknown,
      coalesce(sum(c.usd_unknown), 0) as usd_unknown, coalesce(sum(c.usd_seals), 0) as usd_seals, coalesce(sum(c.uncertain_usd), 0) as uncertain_usd
    from by_call c
    group by c.pool_id, c.node_id
  )
  select
    n.node_id, 'never-settled' as gap,
    case
      when n.hold = '{}' then array['tokens', 'usd']
      else array(
        select k.channel from jsonb_object_keys(n.hold) k (channel)
        order by case k.channel when 'tokens' then 0 when 'iterations' then 1 when 'usd' then 2 else 3 end, k.channel collate "C"
      )
    end as channels
  from tree t
  cross join lateral (
    select h.open_holds from ledger_private.pool_heads h where h.tenant_id = r.tenant_id and h.pool_id = t.pool_id offset 0
  ) h
  cross join lateral (
    select k.node_id, k.hold from ledger_private.nodes k
    where k.tenant_id = r.tenant_id and k.parent_node_id = t.pool_id and k.ended_at is null and h.open_holds > 0
      and (k.hold <> '{}' or k.driver or k.dispatched_at is not null)
    offset 0
  ) n
  union all
  select g.node_id, 'unreported', array_remove(array[case when g.tokens then 'tokens' end, case when g.usd then 'usd' end], null)
  from (
    select
      b.node_id, b.in_doubt or b.tokens_unknown <> 0 as tokens,
      b.in_doubt or b.usd_seals <> 0 or (b.usd_unknown <> 0 and coalesce(b.uncertain_usd = k.ceiling, false)) as usd
    from by_node b
    left join lateral (
      select (n.budget ->> 'usd')::numeric as ceiling from ledger_private.nodes n
      where n.tenant_id = r.tenant_id and n.node_id = b.node_id and b.usd_unknown <> 0 and b.node_id <> b.pool_id
      offset 0
    ) k on true
  ) g
  where g.tokens or g.usd
) x;
comment on view ledger.spend_gaps is 'Nodes of runs whose end or usage nobody has reported.';
revoke all on ledger.spend_gaps from public;
grant select on ledger.spend_gaps to ledger_admin, ledger_writer, ledger_auditor;
