-- The journal unpivoted as it was booked, for sums: what each event did to each channel, with its counts of unknown events and seals. spent and
-- uncertain include what a seal put there; null = nothing.
create or replace view ledger_private.moves
with (security_invoker = true)
as
select j.tenant_id, j.pool_id, j.seq, m.channel, m.funded, m.held, m.spent, m.uncertain, m.unknown, m.seals, m.remainder
from ledger_private.history j
cross join lateral (
  select
    'tokens' as channel, j.tokens_funded as funded, j.tokens_held as held, j.tokens_spent as spent,
    j.tokens_uncertain as uncertain, j.tokens_unknown as unknown, 0 as seals, 0::numeric as remainder
  union all
  select
    'iterations', j.iterations_funded, j.iterations_held, j.iterations_spent, j.iterations_uncertain, j.iterations_unknown, 0, 0
  union all
  select
    'usd', j.usd_funded, j.usd_held, coalesce(j.usd_spent, 0) + coalesce(j.usd_remainder, 0),
    coalesce(j.usd_uncertain, 0) + coalesce(j.usd_remainder, 0), j.usd_unknown, j.usd_seals, j.usd_remainder
  union all
  select
    r.key, (r.value -> 'funded')::numeric, (r.value -> 'held')::numeric, (r.value -> 'spent')::numeric,
    (r.value -> 'uncertain')::numeric, (r.value -> 'unknown')::integer, 0, 0
  from jsonb_each(j.resource_moves) r
) m;
comment on view ledger_private.moves is 'What each event did to each channel, to be summed.';
revoke all on ledger_private.moves from public;
grant select on ledger_private.moves to ledger_admin, ledger_writer, ledger_auditor;
