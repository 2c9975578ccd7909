-- The usage charged for work that may have been billed and was never reported: every declared ceiling, all of it uncertain. Dollars nobody
-- declared are unknown.
create or replace function ledger_private.ceiling_usage(p_budget jsonb)
returns ledger_private.usage
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.usage := ledger_private.usage_of('{"usd_known": false, "tokens_known": false}', 'total', p_budget);
begin
  v.iterations := coalesce(ledger_private.amount(p_budget -> 'iterations'), 0);
  v.charged_tokens := coalesce(ledger_private.amount(p_budget -> 'tokens'), 0);
  v.uncertain_tokens := v.charged_tokens;
  v.uncertain_iterations := v.iterations;
  v.iterations_unknown := 1;
  v.resources := (
    select jsonb_object_agg(b.key, jsonb_build_object('amount', a.amount, 'uncertain', a.amount, 'unknown', 1))
    from jsonb_each(p_budget) b
    cross join lateral ledger_private.amount(b.value) a (amount)
    where b.key not in ('tokens', 'iterations', 'usd')
  );
  return v;
end;
$$;
