-- The rules of a journal row: called by a CHECK, as ledger_private.sound_channel. Usage is what was consumed, and a
-- difference in a correction.
create or replace function ledger_private.sound_event(p_row ledger_private.journal)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_difference constant boolean := p_row.kind = 'corrected';
  v_broken text;
begin
  -- what most rows are, told by less than what tells which rule another one breaks
  if p_row.kind in ('metered', 'spawned', 'settled', 'dispatched') and p_row.seq > 0 and p_row.effective_at <= p_row.recorded_at
    and p_row.source_pool_id is null and p_row.source_seq is null and p_row.corrects_seq is null
    and (p_row.outcome is null or p_row.outcome in ('done', 'down')) and (p_row.purpose is null or p_row.purpose = 'turn')
    and p_row.uncertain_tokens is null and p_row.uncertain_iterations is null and p_row.uncertain_usd is null
    and coalesce(least(
      p_row.iterations, p_row.input_tokens, p_row.output_tokens, p_row.cache_read_tokens, p_row.charged_tokens, p_row.usd, p_row.ms
    ), 0) >= 0
    and coalesce(greatest(
      p_row.iterations, p_row.input_tokens, p_row.output_tokens, p_row.charged_tokens, p_row.usd, p_row.ms,
      p_row.tokens_funded, p_row.tokens_held, p_row.tokens_spent, p_row.tokens_uncertain, p_row.iterations_funded, p_row.iterations_held,
      p_row.iterations_spent, p_row.iterations_uncertain, p_row.usd_funded, p_row.usd_held, p_row.usd_spent, p_row.usd_uncertain,
      p_row.usd_remainder
    ), 0) < 'Infinity'
    and p_row.cache_write_tokens is null and p_row.cache_write_1h_tokens is null and p_row.reasoning_tokens is null
    and (p_row.cache_read_tokens is null or p_row.cache_read_tokens <= p_row.input_tokens)
  then
    return true;
  end if;
  v_broken := case
    when p_row.kind not in (
      'opened', 'funded', 'spawned', 'dispatched', 'extended', 'settled', 'cancelled', 'metered', 'delivered', 'corrected', 'expired', 'frozen',
      'thawed', 'closed', 'judged', 'planned', 'drawn'
    ) then 'journal_kind_known'
    when p_row.outcome not in ('done', 'down', 'cancelled', 'expired') then 'journal_outcome_known'
    when p_row.purpose not in ('turn', 'compaction', 'failed', 'tool') then 'journal_purpose_known'
    when p_row.seq <= 0 then 'journal_seq_positive'
    when p_row.effective_at > p_row.recorded_at then 'journal_effective_not_later'
    when (p_row.source_pool_id is null) <> (p_row.source_seq is null) then 'journal_source_whole'
    when p_row.corrects_seq is not null and (p_row.corrects_seq >= p_row.seq or not v_difference) then 'journal_corrects_earlier'
    when greatest(
      p_row.iterations, p_row.input_tokens, p_row.output_tokens, p_row.cache_read_tokens, p_row.cache_write_tokens, p_row.reasoning_tokens,
      p_row.charged_tokens, p_row.usd, p_row.ms, p_row.uncertain_tokens, p_row.uncertain_iterations, p_row.uncertain_usd,
      p_row.tokens_funded, p_row.tokens_held, p_row.tokens_spent, p_row.tokens_uncertain, p_row.iterations_funded, p_row.iterations_held,
      p_row.iterations_spent, p_row.iterations_uncertain, p_row.usd_funded, p_row.usd_held, p_row.usd_spent, p_row.usd_uncertain,
      p_row.usd_remainder
    ) >= 'Infinity' then 'journal_amounts_finite'
    when not v_difference and least(
      p_row.iterations, p_row.input_tokens, p_row.output_tokens, p_row.cache_read_tokens, p_row.cache_write_tokens, p_row.reasoning_tokens,
      p_row.charged_tokens, p_row.usd, p_row.ms, p_row.uncertain_tokens, p_row.uncertain_iterations, p_row.uncertain_usd
    ) < 0 then 'journal_usage_not_negative'
    when not v_difference and coalesce(p_row.cache_read_tokens, 0) + coalesce(p_row.cache_write_tokens, 0) > p_row.input_tokens
      then 'journal_cache_within_input'
    when p_row.cache_write_1h_tokens >= 'Infinity' or (not v_difference and (
      p_row.cache_write_1h_tokens < 0 or p_row.cache_write_1h_tokens > coalesce(p_row.cache_write_tokens, 0)
    )) then 'journal_cache_write_1h_within_cache_write'
    when not v_difference and p_row.reasoning_tokens > p_row.output_tokens then 'journal_reasoning_within_output'
    when not v_difference and (
      p_row.uncertain_tokens > p_row.charged_tokens or p_row.uncertain_iterations > p_row.iterations or p_row.uncertain_usd > p_row.usd
    ) then 'journal_uncertain_within_usage'
  end;
  if v_broken is not null then
    perform ledger_private.raise_breach('journal', v_broken);
  end if;
  return true;
end;
$$;
