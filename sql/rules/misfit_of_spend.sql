-- What a well-shaped spend still gets wrong: {path, rule} or null. Silence about dollars is not zero; parts never exceed their whole.
create or replace function ledger_private.misfit_of_spend(p_spend jsonb, p_path text)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return case
    when not p_spend ? 'usd' and coalesce((p_spend -> 'usd_known')::boolean, true)
      then jsonb_build_object('path', p_path || 'usd', 'rule', 'is required: a receipt (0 is one), or usd_known: false')
    when coalesce(ledger_private.amount(p_spend -> 'cache_read_tokens'), 0) + coalesce(ledger_private.amount(p_spend -> 'cache_write_tokens'), 0)
        > coalesce(ledger_private.amount(p_spend -> 'input_tokens'), 0)
      then jsonb_build_object('path', p_path || 'cache_read_tokens', 'rule', 'cache reads + writes are part of input_tokens and cannot exceed it')
    when p_spend ? 'cache_write_1h_tokens' and ledger_private.amount(p_spend -> 'cache_write_1h_tokens')
        > coalesce(ledger_private.amount(p_spend -> 'cache_write_tokens'), 0)
      then jsonb_build_object('path', p_path || 'cache_write_1h_tokens', 'rule', 'is part of cache_write_tokens and cannot exceed it')
    when coalesce(ledger_private.amount(p_spend -> 'reasoning_tokens'), 0) > coalesce(ledger_private.amount(p_spend -> 'output_tokens'), 0)
      then jsonb_build_object('path', p_path || 'reasoning_tokens', 'rule', 'reasoning is part of output_tokens and cannot exceed it')
  end;
end;
$$;
