-- Usage per day (UTC, of effective_at), provider, model, purpose and tags: every row of ledger.usage_lines once. A correction counts on the day
-- of its own effective_at. lines: calls counted, which are the lines of events and the events without lines, no corrections and no remainders.
-- usd is null only where nothing of it is known. An event that was corrected is as known as its last correction. receipt_usd was charged with a
-- receipt, estimated_usd without; unknown_usd_events: uncorrected events charged no dollars because nobody could price them, on their own day, one
-- whose lines name several models in the row of each.
create or replace view ledger.usage_daily
with (security_invoker = true)
as
select
  u.tenant_id, (u.effective_at at time zone 'UTC')::date as day, u.provider, u.model, u.purpose, u.tags,
  count(*) filter (where u.kind <> 'corrected' and (u.line is not null or f.line is null)) as lines,
  sum(u.iterations) as iterations, sum(u.input_tokens) as input_tokens, sum(u.output_tokens) as output_tokens,
  sum(u.cache_read_tokens) as cache_read_tokens, sum(u.cache_write_tokens) as cache_write_tokens, sum(u.reasoning_tokens) as reasoning_tokens,
  sum(u.charged_tokens) as charged_tokens, trim_scale(sum(u.usd)) as usd, sum(u.ms) as ms,
  sum(u.uncertain_tokens) as uncertain_tokens, sum(u.uncertain_iterations) as uncertain_iterations,
  trim_scale(sum(u.uncertain_usd)) as uncertain_usd,
  bool_and(coalesce(c.tokens_known, u.tokens_known)) as tokens_known, bool_and(coalesce(c.usd_known, u.usd_known)) as usd_known,
  trim_scale(coalesce(sum(u.usd), 0) - sum(u.uncertain_usd)) as receipt_usd, trim_scale(sum(u.uncertain_usd)) as estimated_usd,
  count(distinct (u.pool_id, u.seq)) filter (
    where u.kind <> 'corrected' and coalesce(j.usd_seals, 0) + coalesce(c.usd_seals, 0) > 0 and (j.usd_known or not u.usd_known)
  ) as unknown_usd_events
from ledger.usage_lines u
cross join lateral (
  select k.seq, k.corrects_seq, k.usd_seals, k.usd_known
  from ledger_private.history k
  where k.tenant_id = u.tenant_id and k.pool_id = u.pool_id and k.seq = u.seq
  offset 0
) j
left join lateral (
  select l.line
  from ledger_private.usage_history l
  where l.tenant_id = u.tenant_id and l.pool_id = u.pool_id and l.seq = u.seq and l.line = 0 and u.line is null
  offset 0
) f on true
cross join lateral (
  select
    (array_agg(k.tokens_known order by k.seq desc))[1] as tokens_known, (array_agg(k.usd_known order by k.seq desc))[1] as usd_known,
    sum(k.usd_seals) as usd_seals
  from ledger_private.history k
  where k.tenant_id = u.tenant_id and k.pool_id = u.pool_id and k.corrects_seq = coalesce(j.corrects_seq, j.seq)
) c
group by 1, 2, 3, 4, 5, 6;
comment on view ledger.usage_daily is 'Usage per day, provider, model, purpose and tags.';
comment on column ledger.usage_daily.provider is 'null: not stated';
comment on column ledger.usage_daily.model is 'null: not stated';
comment on column ledger.usage_daily.purpose is 'null: not stated';
comment on column ledger.usage_daily.tags is 'null: none';
comment on column ledger.usage_daily.usd is 'null: nothing of it is known';
revoke all on ledger.usage_daily from public;
grant select on ledger.usage_daily to ledger_admin, ledger_writer, ledger_auditor;
