-- The order channels are listed in everywhere: tokens, iterations, usd, then resources by name. Sort key, collation "C".
create or replace function ledger_private.channel_order(p_channel text)
returns text
language sql
immutable
parallel safe
return case p_channel when 'tokens' then '0' when 'iterations' then '1' when 'usd' then '2' else '3' || p_channel end collate "C";
