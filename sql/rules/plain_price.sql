-- Whether a price of a book is well-formed at first sight, which most are: what it says no to, ledger_private.misfit looks at closely. Instants only
-- need to be texts here. Inlined.
create or replace function ledger_private.plain_price(p_price jsonb)
returns boolean
language sql
immutable
parallel safe
return coalesce(
  p_price - array['provider', 'model', 'match', 'token_class', 'usd_per_million', 'above_input_tokens', 'valid_from', 'valid_to', 'source'] = '{}'
    and jsonb_typeof(p_price -> 'provider') = 'string' and char_length(p_price ->> 'provider') <= 200 and p_price ->> 'provider' ~ '^[ -~]+$'
    and jsonb_typeof(p_price -> 'model') = 'string' and char_length(p_price ->> 'model') <= 200 and p_price ->> 'model' ~ '^[ -~]+$'
    and p_price -> 'token_class' in ('"input"', '"cache_read"', '"cache_write"', '"cache_write_1h"', '"output"', '"reasoning"', '"request"')
    and coalesce(p_price -> 'match', '"exact"') in ('"exact"', '"dated"', '"prefix"', '"contains"')
    and jsonb_typeof(p_price -> 'usd_per_million') in ('number', 'string')
    and char_length(p_price ->> 'usd_per_million') <= 12 and p_price ->> 'usd_per_million' ~ '^[0-9]+([.][0-9]{1,6})?$'
    and (not p_price ? 'above_input_tokens' or ledger_private.fits('count', p_price -> 'above_input_tokens'))
    and coalesce(jsonb_typeof(p_price -> 'valid_from'), 'string') = 'string' and coalesce(jsonb_typeof(p_price -> 'valid_to'), 'string') = 'string'
    and (not p_price ? 'source' or ledger_private.fits('id', p_price -> 'source')),
  false
);
