-- What is booked now for an event: its row and the corrections of it added up. Flags are those of the last one.
create or replace function ledger_private.booked_usage(p_event ledger_private.journal)
returns ledger_private.usage
language plpgsql
stable
as $$
declare
  v ledger_private.usage := ledger_private.usage_in(p_event);
  v_row ledger_private.journal;
  v_more ledger_private.usage;
begin
  for v_row in
    select * from ledger_private.journal j
    where j.tenant_id = p_event.tenant_id and j.pool_id = p_event.pool_id and j.corrects_seq = p_event.seq
    order by j.seq
  loop
    v_more := ledger_private.usage_in(v_row);
    v := row(
      v.iterations + v_more.iterations, v.input_tokens + v_more.input_tokens, v.output_tokens + v_more.output_tokens,
      v.cache_read_tokens + v_more.cache_read_tokens, v.cache_write_tokens + v_more.cache_write_tokens,
      v.reasoning_tokens + v_more.reasoning_tokens, v.charged_tokens + v_more.charged_tokens, coalesce(v.usd, 0) + coalesce(v_more.usd, 0),
      v.ms + v_more.ms, v.uncertain_tokens + v_more.uncertain_tokens, v.uncertain_iterations + v_more.uncertain_iterations,
      v.uncertain_usd + v_more.uncertain_usd, v_more.tokens_known, v_more.usd_known,
      ledger_private.resources_sum(v.resources, v_more.resources),
      v.tokens_unknown + v_more.tokens_unknown, v.iterations_unknown + v_more.iterations_unknown, v.usd_unknown + v_more.usd_unknown,
      v.usd_seals + v_more.usd_seals
    )::ledger_private.usage;
  end loop;
  return v;
end;
$$;
