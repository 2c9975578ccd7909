-- Every call under every price book: what its usage would cost at the prices of the book as of its effective_at (ledger.rates_of, ledger.price_of),
-- next to what was booked for it. A call is a usage line, or an event without lines; of an event that was corrected it is what the event and its
-- corrections say together of one provider, model and request. usd is null where the book cannot tell: an unknown model, class or number of
-- tokens. What used nothing and names no model is no call.
-- Runs are walked, not searched; what happened outside of runs is found by pool. Models are looked up once per pool and book: hence materialized.
create or replace view ledger.priced_usage
with (security_invoker = true)
as
select
  p.tenant_id, b.book, p.run_id, p.pool_id, c.seq, e.node_id, c.provider, c.model, c.provider_request_id, e.purpose, e.effective_at,
  c.input_tokens, c.output_tokens, c.cache_read_tokens, c.cache_write_tokens, c.cache_write_1h_tokens, c.reasoning_tokens, c.tokens_known,
  c.booked_usd, c.booked_usd_known, case when c.tokens_known then x.p_usd end as usd
from (
  select r.tenant_id, r.run_id, t.pool_id
  from ledger_private.runs r
  cross join lateral (
    with recursive tree as (
      select r.run_id as pool_id
      union all
      select k.pool_id
      from tree t
      cross join lateral (
        select q.pool_id from ledger_private.pools q
        where q.tenant_id = r.tenant_id and q.parent_pool_id = t.pool_id
        offset 0
      ) k
    )
    select t.pool_id from tree t
  ) t
  union all
  select q.tenant_id, null, q.pool_id from ledger_private.pools q where q.run_id is null
) p
join ledger_private.price_books b on b.tenant_id = p.tenant_id
cross join lateral (
  with parts as (
    select
      u.*, coalesce(j.corrects_seq, u.seq) as event_seq, case when l.seq is null then u.line end as call, l.seq as last_seq,
      l.seq is null or u.seq = l.seq as latest, coalesce(l.tokens_known, false) as tokens_now_known, coalesce(l.usd_known, false) as usd_now_known
    from ledger.usage_lines u
    cross join lateral (
      select k.corrects_seq from ledger_private.history k
      where k.tenant_id = u.tenant_id and k.pool_id = u.pool_id and k.seq = u.seq
      offset 0
    ) j
    left join lateral (
      select k.seq, k.tokens_known, k.usd_known from ledger_private.history k
      where k.tenant_id = u.tenant_id and k.pool_id = u.pool_id and k.corrects_seq = coalesce(j.corrects_seq, u.seq)
      order by k.seq desc
      limit 1
    ) l on true
    where u.tenant_id = p.tenant_id and u.pool_id = p.pool_id
  ),
  sums as (
    select
      s.event_seq as seq, s.provider, s.model, s.provider_request_id, sum(s.input_tokens) as input_tokens, sum(s.output_tokens) as output_tokens,
      sum(s.cache_read_tokens) as cache_read_tokens, sum(s.cache_write_tokens) as cache_write_tokens,
      sum(s.cache_write_1h_tokens) as cache_write_1h_tokens, sum(s.reasoning_tokens) as reasoning_tokens, sum(s.usd) as usd,
      sum(s.uncertain_usd) as uncertain_usd, max(s.last_seq) is not null as corrected,
      bool_or(s.tokens_now_known) or coalesce(bool_and(s.tokens_known) filter (where s.latest), false) as tokens_known,
      bool_or(s.usd_now_known) or coalesce(bool_and(s.usd_known) filter (where s.latest), false) as usd_known
    from parts s
    group by s.event_seq, s.provider, s.model, s.provider_request_id, s.call
  ),
  calls as (
    select
      s.seq, s.provider, s.model, s.provider_request_id, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens,
      s.cache_write_1h_tokens, s.reasoning_tokens, s.tokens_known, s.usd_known as booked_usd_known,
      case when s.usd_known or not s.corrected or s.usd <> 0 or s.uncertain_usd <> 0 then trim_scale(s.usd) end as booked_usd
    from sums s
    where not s.tokens_known or not s.usd_known or (s.model is not null and not s.corrected)
      or (s.input_tokens, s.output_tokens, coalesce(s.usd, 0)) <> (0, 0, 0)
  ),
  known as materialized (
    select m.provider, m.model, ledger.rates_of(p.tenant_id, b.book, m.provider, m.model) as rates
    from (select distinct k.provider, k.model from calls k) m
  )
  select k.*, m.rates
  from calls k
  join known m on coalesce(m.provider, '') = coalesce(k.provider, '') and coalesce(m.model, '') = coalesce(k.model, '')
) c
cross join lateral (
  select j.node_id, coalesce(j.purpose, s.purpose) as purpose, coalesce(s.effective_at, j.effective_at) as effective_at
  from ledger_private.history j
  left join lateral (
    select k.purpose, k.effective_at from ledger_private.history k
    where j.kind = 'expired' and k.tenant_id = j.tenant_id and k.pool_id = j.pool_id and k.corrects_seq = j.seq
      and k.outcome is not null
    limit 1
  ) s on true
  where j.tenant_id = p.tenant_id and j.pool_id = p.pool_id and j.seq = c.seq
  offset 0
) e
cross join lateral ledger.price_of(
  c.rates, e.effective_at, c.input_tokens, c.output_tokens, c.cache_read_tokens, c.cache_write_tokens, c.cache_write_1h_tokens, c.reasoning_tokens
) x;
comment on view ledger.priced_usage is 'Every call under every price book: usd beside what was booked.';
comment on column ledger.priced_usage.run_id is 'null: outside any run';
comment on column ledger.priced_usage.provider is 'null: not stated';
comment on column ledger.priced_usage.model is 'null: not stated';
comment on column ledger.priced_usage.provider_request_id is 'null: not stated';
comment on column ledger.priced_usage.purpose is 'null: not stated';
comment on column ledger.priced_usage.booked_usd is 'null: unknown, nothing was charged';
comment on column ledger.priced_usage.usd is 'null: the book cannot tell';
revoke all on ledger.priced_usage from public;
grant select on ledger.priced_usage to ledger_admin, ledger_writer, ledger_auditor;
