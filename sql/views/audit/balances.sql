-- Invariants 1 to 3: every channel row is the sum of its postings.
create or replace view ledger_private.audit_balances
with (security_invoker = true)
as
select
  b.tenant_id, b.pool_id, 'balance-differs-from-journal' as rule,
  jsonb_build_object('channel', b.channel, 'balance', b.balance, 'journal', b.journal) as detail
from (
  select
    c.tenant_id, c.pool_id, c.channel,
    jsonb_build_object(
      'total', trim_scale(coalesce(c.total, 0)), 'reserved', trim_scale(c.reserved), 'committed', trim_scale(c.committed),
      'uncertain', trim_scale(c.uncertain), 'unknown', c.unknown, 'seals', c.seals, 'remainder', trim_scale(c.remainder)
    ) as balance,
    jsonb_build_object(
      'total', trim_scale(coalesce(s.funded, 0)), 'reserved', trim_scale(coalesce(s.held, 0)), 'committed', trim_scale(coalesce(s.spent, 0)),
      'uncertain', trim_scale(coalesce(s.uncertain, 0)), 'unknown', coalesce(s.unknown, 0),
      'seals', case when c.total is not null and p.unknown_usd = 'seal' then coalesce(s.seals, 0) else 0 end,
      'remainder', trim_scale(coalesce(s.remainder, 0))
    ) as journal
  from ledger_private.channels c
  join ledger_private.pools p on p.tenant_id = c.tenant_id and p.pool_id = c.pool_id
  left join (
    select
      m.tenant_id, m.pool_id, m.channel, sum(m.funded) as funded, sum(m.held) as held, sum(m.spent) as spent,
      sum(m.uncertain) as uncertain, sum(m.unknown) as unknown, sum(m.seals) as seals, sum(m.remainder) as remainder
    from ledger_private.moves m
    group by m.tenant_id, m.pool_id, m.channel
  ) s on s.tenant_id = c.tenant_id and s.pool_id = c.pool_id and s.channel = c.channel
) b
where b.balance <> b.journal;
comment on view ledger_private.audit_balances is 'Invariants 1 to 3: every channel row is the sum of its postings.';
revoke all on ledger_private.audit_balances from public;
grant select on ledger_private.audit_balances to ledger_admin, ledger_writer, ledger_auditor;
