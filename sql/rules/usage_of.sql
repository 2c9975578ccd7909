-- The usage a well-formed spend (or usage line) states, charged in the pool's unit: `total` = input + output, `uncached` = input - cache reads
-- + output. Dollars: a receipt; an estimate (usd_known false), all of it uncertain; or unknown: the declared ceiling of p_budget, uncertain,
-- else nothing charged and one seal.
create or replace function ledger_private.usage_of(
  p_spend jsonb,
  p_token_charge text,
  p_budget jsonb default null
)
returns ledger_private.usage
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.usage;
begin
  v.iterations := coalesce(ledger_private.amount(p_spend -> 'iterations'), 0);
  v.input_tokens := coalesce(ledger_private.amount(p_spend -> 'input_tokens'), 0);
  v.output_tokens := coalesce(ledger_private.amount(p_spend -> 'output_tokens'), 0);
  v.cache_read_tokens := coalesce(ledger_private.amount(p_spend -> 'cache_read_tokens'), 0);
  v.cache_write_tokens := coalesce(ledger_private.amount(p_spend -> 'cache_write_tokens'), 0);
  v.cache_write_1h_tokens := coalesce(ledger_private.amount(p_spend -> 'cache_write_1h_tokens'), 0);
  v.reasoning_tokens := coalesce(ledger_private.amount(p_spend -> 'reasoning_tokens'), 0);
  v.charged_tokens := v.input_tokens + v.output_tokens - case p_token_charge when 'uncached' then v.cache_read_tokens else 0 end;
  v.ms := coalesce(ledger_private.amount(p_spend -> 'ms'), 0);
  v.usd := ledger_private.amount(p_spend -> 'usd');
  v.uncertain_tokens := 0;
  v.uncertain_iterations := 0;
  v.uncertain_usd := 0;
  v.tokens_known := coalesce((p_spend -> 'tokens_known')::boolean, true);
  v.usd_known := coalesce((p_spend -> 'usd_known')::boolean, true);
  v.resources := nullif(p_spend -> 'resources', '{}');
  v.tokens_unknown := case when v.tokens_known then 0 else 1 end;
  v.iterations_unknown := 0;
  v.usd_unknown := case when v.usd_known then 0 else 1 end;
  v.usd_seals := 0;
  if not v.usd_known then
    v.usd := coalesce(v.usd, ledger_private.amount(p_budget -> 'usd'));
    v.uncertain_usd := coalesce(v.usd, 0);
    v.usd_seals := case when v.usd is null then 1 else 0 end;
  end if;
  return v;
end;
$$;
