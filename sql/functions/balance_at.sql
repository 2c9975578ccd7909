-- The channels of a pool as of an instant, from the journal. p_by: `recorded`, what the ledger knew then (recorded_at <= p_at), or `effective`,
-- what had happened by then as far as is known now (effective_at <= p_at): a fact that came late changes the second and never the first. No rows
-- before the pool was opened by that time. Sums of what is dated: a hold that ended, by effective time, before it began never was; a correction
-- counts from its own effective_at, and where that is before what it corrects, amounts may be negative in between. What a seal adds is worked out
-- for the instant: while an unknown event is uncorrected, everything neither held nor known to be spent. A pool's journal is not worth workers, whose
-- start takes longer.
-- Raises: LG009, LG012, LG001 (null, or another p_by).
create or replace function ledger.balance_at(
  p_tenant_id text,
  p_pool_id text,
  p_at timestamptz,
  p_by text default 'recorded'
)
returns table (
  tenant_id text,
  pool_id text,
  channel text,
  unit text,
  capped boolean,
  total numeric,
  free numeric,
  reserved numeric,
  committed numeric,
  uncertain numeric
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set max_parallel_workers_per_gather = 0
as $$
declare
  v_missing constant text := case when p_pool_id is null then 'p_pool_id' when p_at is null then 'p_at' end;
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  if v_missing is not null then
    perform ledger_private.raise_error('LG001', jsonb_build_object('path', v_missing, 'rule', 'is required'));
  elsif p_by is null or p_by not in ('recorded', 'effective') then
    perform ledger_private.raise_error('LG001', '{"path": "p_by", "rule": "must be recorded or effective"}');
  end if;
  return query
    select
      c.tenant_id, c.pool_id, c.channel, c.unit, c.total is not null,
      case when c.total is not null then trim_scale(s.funded) end,
      case when c.total is not null then trim_scale(s.funded - s.held - s.spent - r.remainder) end,
      trim_scale(s.held), trim_scale(s.spent + r.remainder), trim_scale(s.uncertain + r.remainder)
    from ledger_private.pools p
    join ledger_private.channels c on c.tenant_id = p.tenant_id and c.pool_id = p.pool_id
    left join ledger_private.sums_until(p_tenant_id, p_pool_id, p_at, p_by = 'effective') f on f.channel = c.channel
    cross join lateral (
      select
        coalesce(f.funded, 0) as funded, coalesce(f.held, 0) as held, coalesce(f.spent, 0) as spent, coalesce(f.uncertain, 0) as uncertain,
        coalesce(f.seals, 0) as seals
    ) s
    cross join lateral (
      select
        case when s.seals > 0 and c.total is not null and p.unknown_usd = 'seal' then greatest(0, s.funded - s.held - s.spent) else 0 end
          as remainder
    ) r
    where p.tenant_id = p_tenant_id and p.pool_id = p_pool_id and exists (
      select from ledger_private.history o
      where o.tenant_id = p.tenant_id and o.pool_id = p.pool_id and o.seq = 1
        and case when p_by = 'effective' then o.effective_at else o.recorded_at end <= p_at
    )
    order by ledger_private.channel_order(c.channel), c.channel collate "C";
end;
$$;
comment on function ledger.balance_at(text, text, timestamptz, text) is
  'The channels of a pool as of an instant, by recorded or by effective time, summed from the journal.';
revoke all on function ledger.balance_at(text, text, timestamptz, text) from public;
grant execute on function ledger.balance_at(text, text, timestamptz, text) to ledger_admin, ledger_writer, ledger_auditor;
