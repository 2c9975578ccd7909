-- The journal as it was written. Usage is null where an event consumed nothing; usd is null where it is unknown.
create or replace view ledger.journal
with (security_invoker = true)
as
select
  j.tenant_id, j.pool_id, j.seq, j.kind, j.operation_id, j.run_id, j.node_id, j.provider, j.model, j.provider_request_id, j.purpose,
  j.turn, j.tool_calls, j.tags,
  j.iterations, j.input_tokens, j.output_tokens,
  case when j.iterations is not null then coalesce(j.cache_read_tokens, 0) end as cache_read_tokens,
  case when j.iterations is not null then coalesce(j.cache_write_tokens, 0) end as cache_write_tokens,
  case when j.iterations is not null then coalesce(j.reasoning_tokens, 0) end as reasoning_tokens,
  j.charged_tokens, trim_scale(j.usd) as usd,
  case when j.iterations is not null then coalesce(j.ms, 0) end as ms,
  case when j.iterations is not null then coalesce(j.uncertain_tokens, 0) end as uncertain_tokens,
  case when j.iterations is not null then coalesce(j.uncertain_iterations, 0) end as uncertain_iterations,
  case when j.iterations is not null then coalesce(trim_scale(j.uncertain_usd), 0) end as uncertain_usd,
  j.tokens_known, j.usd_known, j.resources, j.verdict, j.outcome, j.out_ref, j.reason, j.detail,
  j.source_pool_id, j.source_seq, j.effective_at, j.recorded_at, j.recorded_by, j.corrects_seq, j.infra,
  case when j.iterations is not null then coalesce(j.cache_write_1h_tokens, 0) end as cache_write_1h_tokens
from ledger_private.history j;
comment on view ledger.journal is 'Every event, append-only, dense seq per pool.';
comment on column ledger.journal.run_id is 'null: outside any run';
comment on column ledger.journal.provider is 'null: not stated';
comment on column ledger.journal.model is 'null: not stated';
comment on column ledger.journal.provider_request_id is 'null: not stated';
comment on column ledger.journal.purpose is 'null: not stated';
comment on column ledger.journal.turn is 'null: not stated';
comment on column ledger.journal.tool_calls is 'null: not stated';
comment on column ledger.journal.tags is 'null: none';
comment on column ledger.journal.iterations is 'null: nothing consumed';
comment on column ledger.journal.input_tokens is 'null: nothing consumed';
comment on column ledger.journal.output_tokens is 'null: nothing consumed';
comment on column ledger.journal.cache_read_tokens is 'null: nothing consumed';
comment on column ledger.journal.cache_write_tokens is 'null: nothing consumed';
comment on column ledger.journal.reasoning_tokens is 'null: nothing consumed';
comment on column ledger.journal.charged_tokens is 'null: nothing consumed';
comment on column ledger.journal.usd is 'null: nothing consumed, or unknown';
comment on column ledger.journal.ms is 'null: nothing consumed';
comment on column ledger.journal.uncertain_tokens is 'null: nothing consumed';
comment on column ledger.journal.uncertain_iterations is 'null: nothing consumed';
comment on column ledger.journal.uncertain_usd is 'null: nothing consumed';
comment on column ledger.journal.tokens_known is 'null: nothing consumed';
comment on column ledger.journal.usd_known is 'null: nothing consumed';
comment on column ledger.journal.resources is 'null: none';
comment on column ledger.journal.verdict is 'null: none';
comment on column ledger.journal.outcome is 'null: ends no node';
comment on column ledger.journal.out_ref is 'null: none';
comment on column ledger.journal.reason is 'null: not stated';
comment on column ledger.journal.detail is 'null: none';
comment on column ledger.journal.source_pool_id is 'null: of this pool''s own';
comment on column ledger.journal.source_seq is 'null: of this pool''s own';
comment on column ledger.journal.corrects_seq is 'null: corrects nothing here';
comment on column ledger.journal.infra is 'null: not stated';
comment on column ledger.journal.cache_write_1h_tokens is 'null: nothing consumed';
revoke all on ledger.journal from public;
grant select on ledger.journal to ledger_admin, ledger_writer, ledger_auditor;
