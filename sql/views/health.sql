-- One row per tenant: what is open, what waits, and how much of what was spent nobody reported.
-- leases_passed: pools in which a lease may have passed, by pool_heads.next_lease_at, which no open hold's lease is before. Shares are from 0 to 1.
-- unknown_..._share: events that booked a spend and whose usage nobody has reported, estimated or corrected, of all events that booked one;
-- uncertain_..._share: charged without a receipt (a ceiling, an estimate), of all that was charged. refusals_24h: as long as operations are kept;
-- retries_24h: repetitions that clients reported in the last 24 hours, by whole hours.
create or replace view ledger.health
with (security_invoker = true)
as
select
  t.tenant_id, p.open_pools, c.sealed_channels, p.frozen_pools, h.open_holds, o.spawned_at as oldest_hold_at, o.node_id as oldest_hold_node_id,
  trunc(extract(epoch from statement_timestamp() - o.spawned_at) * 1000)::bigint as oldest_hold_ms, h.leases_passed, h.events,
  trim_scale(round(j.unknown_tokens / nullif(j.spends, 0), 6)) as unknown_tokens_share,
  trim_scale(round(j.unknown_usd / nullif(j.spends, 0), 6)) as unknown_usd_share,
  trim_scale(round(j.uncertain_tokens / nullif(j.charged_tokens, 0), 6)) as uncertain_tokens_share,
  trim_scale(round(j.uncertain_usd / nullif(j.usd, 0), 6)) as uncertain_usd_share, r.refusals_24h, n.retries_24h
from ledger_private.tenants t
cross join lateral (
  select count(*) filter (where p.state = 'open') as open_pools, count(*) filter (where p.state = 'frozen') as frozen_pools
  from ledger_private.pools p where p.tenant_id = t.tenant_id
) p
cross join lateral (
  select count(*) as sealed_channels from ledger_private.channels c where c.tenant_id = t.tenant_id and c.seals > 0
) c
cross join lateral (
  select
    coalesce(sum(h.open_holds), 0)::bigint as open_holds, coalesce(sum(h.seq), 0)::bigint as events,
    count(*) filter (where h.open_holds > 0 and h.next_lease_at <= statement_timestamp()) as leases_passed
  from ledger_private.pool_heads h where h.tenant_id = t.tenant_id
) h
left join lateral (
  select n.node_id, n.spawned_at
  from ledger_private.pool_heads h
  cross join lateral (
    select n.node_id, n.spawned_at from ledger_private.nodes n
    where n.tenant_id = h.tenant_id and n.parent_node_id = h.pool_id and n.ended_at is null
    offset 0
  ) n
  where h.tenant_id = t.tenant_id and h.open_holds > 0
  order by n.spawned_at, n.node_id
  limit 1
) o on true
cross join lateral (
  select
    (count(*) filter (where j.kind <> 'corrected'))::numeric as spends,
    coalesce(sum(j.tokens_unknown), 0) as unknown_tokens, coalesce(sum(j.usd_seals), 0) as unknown_usd,
    sum(j.charged_tokens) as charged_tokens, coalesce(sum(j.uncertain_tokens), 0) as uncertain_tokens,
    sum(j.usd) as usd, coalesce(sum(j.uncertain_usd), 0) as uncertain_usd
  from ledger_private.history j
  where j.tenant_id = t.tenant_id and j.source_pool_id is null and j.iterations is not null
    and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
) j
cross join lateral (
  select count(*) as refusals_24h
  from ledger_private.operations o
  where o.tenant_id = t.tenant_id and o.code is not null and o.at > statement_timestamp() - interval '24 hours'
) r
cross join lateral (
  select coalesce(sum(n.retries), 0)::bigint as retries_24h
  from ledger_private.retries n
  where n.tenant_id = t.tenant_id and n.hour > statement_timestamp() - interval '24 hours'
) n;
comment on view ledger.health is 'One row per tenant: what is open, what waits, and what of its spend is unknown or uncertain.';
comment on column ledger.health.oldest_hold_at is 'null: no open hold';
comment on column ledger.health.oldest_hold_node_id is 'null: no open hold';
comment on column ledger.health.oldest_hold_ms is 'null: no open hold';
comment on column ledger.health.unknown_tokens_share is 'null: nothing was spent';
comment on column ledger.health.unknown_usd_share is 'null: nothing was spent';
comment on column ledger.health.uncertain_tokens_share is 'null: no tokens were charged';
comment on column ledger.health.uncertain_usd_share is 'null: no dollars were charged';
revoke all on ledger.health from public;
grant select on ledger.health to ledger_admin, ledger_writer, ledger_auditor;
