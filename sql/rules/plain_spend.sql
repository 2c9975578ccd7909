-- Whether a spend is plain in form: only the common keys, each of its type, so that casts read it: whole counts that JSON can hold, dollars as text
-- of at most 12 decimals, stated or said to be unknown. ledger_private.plain_amounts tells whether they fit together. Never true of what
-- ledger_private.misfit rejects for its form; false may mean no more than unusual (resources, counts as text). Null counts as false.
-- jsonb sorts by type first: what lies between two numbers is a number.
create or replace function ledger_private.plain_spend(p_spend jsonb)
returns boolean
language sql
immutable
parallel safe
return jsonb_typeof(p_spend) = 'object' and p_spend - '{
    iterations,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,cache_write_1h_tokens,reasoning_tokens,ms,usd,usd_known,tokens_known
  }'::text[] = '{}'
  and p_spend -> 'iterations' between '0' and '9007199254740991'
  and p_spend -> 'input_tokens' between '0' and '9007199254740991'
  and p_spend -> 'output_tokens' between '0' and '9007199254740991'
  and (p_spend -> 'cache_read_tokens' between '0' and '9007199254740991') is not false
  and (p_spend -> 'cache_write_tokens' between '0' and '9007199254740991') is not false
  and (p_spend -> 'cache_write_1h_tokens' between '0' and '9007199254740991') is not false
  and (p_spend -> 'reasoning_tokens' between '0' and '9007199254740991') is not false
  and (p_spend -> 'ms' between '0' and '9007199254740991') is not false
  and strpos((p_spend - 'usd')::text, '.') = 0
  and coalesce(jsonb_typeof(p_spend -> 'tokens_known'), 'boolean') = 'boolean'
  and coalesce(jsonb_typeof(p_spend -> 'usd_known'), 'boolean') = 'boolean'
  and case when p_spend ? 'usd' then jsonb_typeof(p_spend -> 'usd') = 'string' and p_spend ->> 'usd' ~ '^[0-9]{1,15}([.][0-9]{1,12})?$'
    else p_spend -> 'usd_known' = 'false' end;
