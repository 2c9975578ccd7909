-- One row per usage line; an event without lines is its own line, and what lines leave unexplained (a ceiling charged, a correction) is one
-- more, line null. Transfers and `drawn` rows are no usage. What expired is the call that its late settlement names, if it names one.
create or replace view ledger.usage_lines
with (security_invoker = true)
as
select
  l.tenant_id, l.pool_id, l.seq, l.line, j.run_id, j.node_id, j.kind, j.operation_id, l.provider, l.model, l.provider_request_id, j.purpose, j.tags,
  l.iterations, l.input_tokens, l.output_tokens, l.cache_read_tokens, l.cache_write_tokens, l.reasoning_tokens, l.charged_tokens,
  trim_scale(l.usd) as usd, l.ms, 0::numeric as uncertain_tokens, 0::numeric as uncertain_iterations, trim_scale(l.uncertain_usd) as uncertain_usd,
  l.tokens_known, l.usd_known, l.resources, j.effective_at, j.recorded_at, l.cache_write_1h_tokens
from ledger_private.usage_history l
cross join lateral (
  select k.run_id, k.node_id, k.kind, k.operation_id, k.purpose, k.tags, k.effective_at, k.recorded_at
  from ledger_private.history k
  where k.tenant_id = l.tenant_id and k.pool_id = l.pool_id and k.seq = l.seq
  offset 0
) j
union all
select
  j.tenant_id, j.pool_id, j.seq, null, j.run_id, j.node_id, j.kind, j.operation_id, coalesce(j.provider, s.provider), coalesce(j.model, s.model),
  coalesce(j.provider_request_id, s.provider_request_id), coalesce(j.purpose, s.purpose), j.tags,
  coalesce(j.iterations, 0) - l.iterations, coalesce(j.input_tokens, 0) - l.input_tokens, coalesce(j.output_tokens, 0) - l.output_tokens,
  coalesce(j.cache_read_tokens, 0) - l.cache_read_tokens, coalesce(j.cache_write_tokens, 0) - l.cache_write_tokens,
  coalesce(j.reasoning_tokens, 0) - l.reasoning_tokens, coalesce(j.charged_tokens, 0) - l.charged_tokens,
  trim_scale(case when l.lines = 0 then j.usd else coalesce(j.usd, 0) - l.usd end), coalesce(j.ms, 0) - l.ms,
  coalesce(j.uncertain_tokens, 0), coalesce(j.uncertain_iterations, 0), trim_scale(coalesce(j.uncertain_usd, 0) - l.uncertain_usd),
  j.tokens_known, j.usd_known, r.resources, j.effective_at, j.recorded_at,
  coalesce(j.cache_write_1h_tokens, 0) - l.cache_write_1h_tokens
from ledger_private.history j
cross join lateral (
  select
    count(*) as lines, coalesce(sum(l.iterations), 0) as iterations, coalesce(sum(l.input_tokens), 0) as input_tokens,
    coalesce(sum(l.output_tokens), 0) as output_tokens, coalesce(sum(l.cache_read_tokens), 0) as cache_read_tokens,
    coalesce(sum(l.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(l.reasoning_tokens), 0) as reasoning_tokens,
    coalesce(sum(l.charged_tokens), 0) as charged_tokens, coalesce(sum(l.usd), 0) as usd, coalesce(sum(l.ms), 0) as ms,
    coalesce(sum(l.uncertain_usd), 0) as uncertain_usd, coalesce(sum(l.cache_write_1h_tokens), 0) as cache_write_1h_tokens
  from ledger_private.usage_history l
  where l.tenant_id = j.tenant_id and l.pool_id = j.pool_id and l.seq = j.seq
) l
cross join lateral (
  select jsonb_object_agg(d.name, jsonb_build_object('amount', trim_scale(d.amount))) as resources
  from (
    select a.name, sum(a.amount) as amount
    from (
      select e.key as name, (e.value ->> 'amount')::numeric as amount from jsonb_each(j.resources) e
      union all
      select e.key, -(e.value ->> 'amount')::numeric
      from ledger_private.usage_history k
      cross join lateral jsonb_each(k.resources) e
      where k.tenant_id = j.tenant_id and k.pool_id = j.pool_id and k.seq = j.seq
    ) a
    group by a.name
  ) d
  where d.amount <> 0
) r
left join lateral (
  select k.provider, k.model, k.provider_request_id, k.purpose from ledger_private.history k
  where j.kind = 'expired' and k.tenant_id = j.tenant_id and k.pool_id = j.pool_id and k.corrects_seq = j.seq
    and k.outcome is not null
  limit 1
) s on true
where j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
  and (
    l.lines = 0
    or (
      coalesce(j.iterations, 0), coalesce(j.input_tokens, 0), coalesce(j.output_tokens, 0), coalesce(j.charged_tokens, 0),
      coalesce(j.cache_read_tokens, 0), coalesce(j.cache_write_tokens, 0), coalesce(j.reasoning_tokens, 0), coalesce(j.usd, 0), coalesce(j.ms, 0),
      coalesce(j.uncertain_usd, 0), coalesce(j.uncertain_tokens, 0), coalesce(j.uncertain_iterations, 0),
      coalesce(j.cache_write_1h_tokens, 0)
    ) is distinct from (
      l.iterations, l.input_tokens, l.output_tokens, l.charged_tokens, l.cache_read_tokens, l.cache_write_tokens, l.reasoning_tokens, l.usd, l.ms,
      l.uncertain_usd, 0, 0, l.cache_write_1h_tokens
    )
    or r.resources is not null
  );
comment on view ledger.usage_lines is 'What prices and attribution read: one row per line, or per event without lines.';
comment on column ledger.usage_lines.line is 'null: the event itself, or what its lines leave unexplained';
comment on column ledger.usage_lines.run_id is 'null: outside any run';
comment on column ledger.usage_lines.provider is 'null: not stated';
comment on column ledger.usage_lines.model is 'null: not stated';
comment on column ledger.usage_lines.provider_request_id is 'null: not stated';
comment on column ledger.usage_lines.purpose is 'null: not stated';
comment on column ledger.usage_lines.tags is 'null: none';
comment on column ledger.usage_lines.usd is 'null: unknown';
comment on column ledger.usage_lines.resources is 'null: none';
revoke all on ledger.usage_lines from public;
grant select on ledger.usage_lines to ledger_admin, ledger_writer, ledger_auditor;
