-- Whether the counts of a spend are as most are: whole numbers below 10^15. Its dollars are told by who asks. Part of ledger_private.common_meter.
create or replace function ledger_private.common_spend(p_spend jsonb)
returns boolean
language sql
immutable
parallel safe
return p_spend ?& '{iterations,input_tokens,output_tokens}'::text[]
  and p_spend - '{iterations,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,reasoning_tokens,ms,usd}'::text[] = '{}'
  and (p_spend - 'usd')::text ~ '^{("[a-z_]+": [0-9]{1,15}[,}] ?)+$';
