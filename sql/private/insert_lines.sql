-- Writes the usage lines of an operation under its journal row.
create or replace function ledger_private.insert_lines(
  p_pool ledger_private.pools,
  p_seq bigint,
  p_operation jsonb
)
returns void
language plpgsql
as $$
begin
  if not p_operation ? 'lines' then
    return;
  end if;
  insert into ledger_private.usage_lines (
    tenant_id, pool_id, seq, line, provider, model, provider_request_id, iterations, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, reasoning_tokens, charged_tokens, usd, ms, uncertain_usd, tokens_known, usd_known, resources,
    cache_write_1h_tokens
  )
  select
    p_pool.tenant_id, p_pool.pool_id, p_seq, l.position - 1,
    coalesce(l.line ->> 'provider', p_operation ->> 'provider'), coalesce(l.line ->> 'model', p_operation ->> 'model'),
    coalesce(l.line ->> 'provider_request_id', p_operation ->> 'provider_request_id'),
    u.iterations, u.input_tokens, u.output_tokens, u.cache_read_tokens, u.cache_write_tokens, u.reasoning_tokens, u.charged_tokens,
    u.usd, u.ms, u.uncertain_usd, u.tokens_known, u.usd_known, u.resources,
    u.cache_write_1h_tokens
  from jsonb_array_elements(p_operation -> 'lines') with ordinality l (line, position)
  cross join lateral ledger_private.usage_of(l.line, p_pool.token_charge) u;
end;
$$;
