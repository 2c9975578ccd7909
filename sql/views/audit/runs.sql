-- The roll-up of a run is what its root pool committed, less what only a seal put there; while drivers are open, plus what their pools hold
-- as payers or nobody above in the run has booked.
create or replace view ledger_private.audit_runs
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id as pool_id, 'roll-up-differs-from-root' as rule,
  jsonb_build_object('channel', v.channel, 'rolled_up', v.rolled_up, 'booked', trim_scale(v.booked)) as detail
from ledger_private.runs r
join ledger.spent_breakdown s on s.tenant_id = r.tenant_id and s.run_id = r.run_id and s.source = 'total'
cross join lateral (
  select
    c.channel,
    case c.channel when 'tokens' then s.charged_tokens when 'iterations' then s.iterations else s.usd end as rolled_up,
    sum(
      case
        when c.pool_id = r.run_id then c.committed
        when p.state <> 'closed' and (c.payer_pool_id = c.pool_id or q.run_id is distinct from r.run_id) then c.committed
        else 0
      end - c.remainder
    ) as booked
  from ledger_private.pools p
  join ledger_private.channels c
    on c.tenant_id = p.tenant_id and c.pool_id = p.pool_id and c.channel in ('tokens', 'iterations', 'usd')
  left join ledger_private.pools q on q.tenant_id = c.tenant_id and q.pool_id = c.payer_pool_id
  where p.tenant_id = r.tenant_id and p.run_id = r.run_id
  group by c.channel
) v
where v.rolled_up <> v.booked;
comment on view ledger_private.audit_runs is 'The roll-up of a run is what its root pool committed, less what only a seal put there; while drivers are open, plus what their pools hold as payers or nobody above in the run has booked.';
revoke all on ledger_private.audit_runs from public;
grant select on ledger_private.audit_runs to ledger_admin, ledger_writer, ledger_auditor;
