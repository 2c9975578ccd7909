-- Whether the spawn of a leaf is of the form that most have, as ledger_private.common_meter.
create or replace function ledger_private.common_spawn(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{op,operation_id,pool_id,node_id,label,runtime,lease_ms,budget,tags}'::text[] = '{}'
  and p_operation ?& '{operation_id,pool_id,label}'::text[] and ledger_private.common_texts(p_operation - '{lease_ms,budget,tags}'::text[])
  and p_operation @@ '
    $.budget.type() == "object" && (!exists($.budget.usd)
      || $.budget.usd.type() == "string" && $.budget.usd like_regex "^[0-9]{1,15}([.][0-9]{1,12})?$")
    && !($.lease_ms.type() != "number" || $.lease_ms < 1 || $.lease_ms > 315360000000 || $.lease_ms != $.lease_ms.floor())
  '
  and (p_operation -> 'budget') - '{tokens,iterations,usd}'::text[] = '{}'
  and ((p_operation -> 'budget') - 'usd')::text ~ '^{("[a-z]+": [0-9]{1,15}[,}] ?)*}?$';
