-- What the answer to an ending says: the spend as booked, and where it is above a ceiling (looked for only where there is one). Stable, as
-- jsonb_build_object is declared: so it goes into the query that asks.
create or replace function ledger_private.ending_json(p_usage ledger_private.usage, p_budget jsonb)
returns jsonb
language sql
stable
parallel safe
return jsonb_build_object(
  'spend', ledger_private.spend_json(p_usage),
  'violations', case
    when p_usage.resources is not null or p_usage.charged_tokens > (p_budget ->> 'tokens')::numeric
      or p_usage.iterations > (p_budget ->> 'iterations')::numeric or p_usage.usd > (p_budget ->> 'usd')::numeric
      then ledger_private.violations(p_usage, p_budget)
    else '[]'
  end
);
