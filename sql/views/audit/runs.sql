-- The roll-up of a run is what its root pool committed, less what only a seal put there; while drivers are open, plus what their pools hold as
-- payers or nobody above in the run has booked. One pass over the pools, one look at the breakdown per run.
create or replace view ledger_private.audit_runs
with (security_invoker = true)
as
select
  v.tenant_id, v.run_id as pool_id, 'roll-up-differs-from-root' as rule,
  jsonb_build_object(
    'rolled_up', jsonb_build_object('tokens', s.charged_tokens, 'iterations', s.iterations, 'usd', s.usd),
    'booked', jsonb_build_object('tokens', trim_scale(v.tokens), 'iterations', trim_scale(v.iterations), 'usd', trim_scale(v.usd))
  ) as detail
from (
  select
    b.tenant_id, b.run_id,
    sum(b.booked) filter (where b.channel = 'tokens') as tokens,
    sum(b.booked) filter (where b.channel = 'iterations') as iterations,
    sum(b.booked) filter (where b.channel = 'usd') as usd
  from (
    select
      p.tenant_id, p.run_id, c.channel,
      case
        when p.pool_id = p.run_id then c.committed
        when p.state <> 'closed' and (c.payer_pool_id = c.pool_id or q.run_id is distinct from p.run_id) then c.committed
        else 0
      end - c.remainder as booked
    from ledger_private.pools p
    cross join lateral (
      select c.* from ledger_private.channels c
      where c.tenant_id = p.tenant_id and c.pool_id = p.pool_id and c.channel in ('tokens', 'iterations', 'usd')
      offset 0
    ) c
    left join lateral (
      select q.run_id from ledger_private.pools q where q.tenant_id = c.tenant_id and q.pool_id = c.payer_pool_id limit 1
    ) q on true
    where p.run_id is not null
  ) b
  group by b.tenant_id, b.run_id
) v
cross join lateral (
  select s.charged_tokens, s.iterations, s.usd
  from ledger.spent_breakdown s
  where s.tenant_id = v.tenant_id and s.run_id = v.run_id and s.source = 'total'
  offset 0
) s
where (v.tokens, v.iterations, v.usd) is distinct from (s.charged_tokens, s.iterations, s.usd);
comment on view ledger_private.audit_runs is 'The roll-up of a run is what its root pool committed, less what only a seal put there.';
revoke all on ledger_private.audit_runs from public;
grant select on ledger_private.audit_runs to ledger_admin, ledger_writer, ledger_auditor;
