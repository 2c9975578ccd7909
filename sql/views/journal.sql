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
  j.source_pool_id, j.source_seq, j.effective_at, j.recorded_at, j.recorded_by, j.corrects_seq, j.infra
from ledger_private.journal j;
comment on view ledger.journal is 'Every event, append-only, dense seq per pool.';
revoke all on ledger.journal from public;
grant select on ledger.journal to ledger_admin, ledger_writer, ledger_auditor;
