-- What a leaf is charged when nobody reports its usage: never dispatched, a known zero; else its declared ceilings.
create or replace function ledger_private.unreported_usage(p_node ledger_private.nodes)
returns ledger_private.usage
language sql
immutable
parallel safe
return case
  when p_node.dispatched_at is null then ledger_private.usage_of('{"usd": 0}', 'total')
  else ledger_private.ceiling_usage(p_node.budget)
end;
