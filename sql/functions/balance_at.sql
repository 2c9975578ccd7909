-- The channels of a pool as of an instant of the server's clock (recorded_at <= p_at), from the journal. No rows before it was opened.
create or replace function ledger.balance_at(
  p_tenant_id text,
  p_pool_id text,
  p_at timestamptz
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
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    c.tenant_id, c.pool_id, c.channel, c.unit, c.capped,
    case when c.capped then s.funded end, case when c.capped then s.funded - s.held - s.spent end, s.held, s.spent, s.uncertain
  from ledger.channels c
  join ledger.pools p on p.tenant_id = c.tenant_id and p.pool_id = c.pool_id and p.opened_at <= p_at
  cross join lateral (
    select
      coalesce(trim_scale(sum(j.funded)), 0) as funded, coalesce(trim_scale(sum(j.held)), 0) as held,
      coalesce(trim_scale(sum(j.spent)), 0) as spent, coalesce(trim_scale(sum(j.uncertain)), 0) as uncertain
    from ledger.postings j
    where j.tenant_id = c.tenant_id and j.pool_id = c.pool_id and j.channel = c.channel and j.recorded_at <= p_at
  ) s
  where c.tenant_id = p_tenant_id and c.pool_id = p_pool_id
$$;
comment on function ledger.balance_at(text, text, timestamptz) is 'The channels of a pool as of an instant, summed from the journal.';
revoke all on function ledger.balance_at(text, text, timestamptz) from public;
grant execute on function ledger.balance_at(text, text, timestamptz) to ledger_admin, ledger_writer, ledger_auditor;
