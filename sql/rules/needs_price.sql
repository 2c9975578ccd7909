-- Whether an operation states a spend whose dollars are unknown and could be worked out from a price: its tokens are known.
create or replace function ledger_private.needs_price(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return coalesce(
  p_operation #> '{spend,usd_known}' = 'false' and not p_operation -> 'spend' ? 'usd'
    and coalesce(p_operation #> '{spend,tokens_known}', 'true') = 'true',
  false
);
