-- The journal unpivoted: what each event added to total, reserved, committed and uncertain of one channel. Sums give any balance. remainder is
-- the part of spent and uncertain that a seal put there or released: no node's spend.
create or replace view ledger.postings
with (security_invoker = true)
as
select
  j.tenant_id, j.pool_id, j.seq, j.kind, j.operation_id, j.run_id, j.node_id, m.channel,
  trim_scale(m.funded) as funded, trim_scale(m.held) as held, trim_scale(m.spent) as spent, trim_scale(m.uncertain) as uncertain,
  j.effective_at, j.recorded_at, trim_scale(m.remainder) as remainder
from ledger_private.history j
cross join lateral (
  select
    'tokens' as channel, coalesce(j.tokens_funded, 0) as funded, coalesce(j.tokens_held, 0) as held,
    coalesce(j.tokens_spent, 0) as spent, coalesce(j.tokens_uncertain, 0) as uncertain,
    0::numeric as remainder
  union all
  select
    'iterations', coalesce(j.iterations_funded, 0), coalesce(j.iterations_held, 0),
    coalesce(j.iterations_spent, 0), coalesce(j.iterations_uncertain, 0), 0
  union all
  select
    'usd', coalesce(j.usd_funded, 0), coalesce(j.usd_held, 0),
    coalesce(j.usd_spent, 0) + coalesce(j.usd_remainder, 0), coalesce(j.usd_uncertain, 0) + coalesce(j.usd_remainder, 0),
    coalesce(j.usd_remainder, 0)
  union all
  select
    r.key, coalesce((r.value -> 'funded')::numeric, 0), coalesce((r.value -> 'held')::numeric, 0),
    coalesce((r.value -> 'spent')::numeric, 0), coalesce((r.value -> 'uncertain')::numeric, 0), 0
  from jsonb_each(j.resource_moves) r
) m
where m.funded <> 0 or m.held <> 0 or m.spent <> 0 or m.uncertain <> 0 or m.remainder <> 0;
comment on view ledger.postings is 'What each event did to each channel: sums give any balance at any seq or time.';
comment on column ledger.postings.run_id is 'null: outside any run';
revoke all on ledger.postings from public;
grant select on ledger.postings to ledger_admin, ledger_writer, ledger_auditor;
