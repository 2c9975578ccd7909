-- Whether a meter is of the form that most have, told by few expressions: for one operation, each function that is named costs more than to run it.
-- Whatever this is true of is plain (ledger_private.plain_operation), its dollars and tokens known; what it is not true of may be plain all the same.
-- Its tags are left to ledger_private.common_tags. Null counts as false. (In these paths a key that is left out is not unequal to anything.)
create or replace function ledger_private.common_meter(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{op,operation_id,pool_id,provider,model,provider_request_id,purpose,turn,spend,tags}'::text[] = '{}'
  and p_operation ?& '{operation_id,pool_id}'::text[] and ledger_private.common_texts(p_operation - '{turn,spend,tags}'::text[])
  and ledger_private.common_spend(p_operation -> 'spend')
  and p_operation @@ '
    $.spend.usd.type() == "string" && $.spend.usd like_regex "^[0-9]{1,15}([.][0-9]{1,12})?$"
    && !($.turn.type() != "number" || $.turn < 0 || $.turn > 2147483647 || $.turn != $.turn.floor())
    && !($.purpose != "turn" && $.purpose != "compaction" && $.purpose != "failed" && $.purpose != "tool")
  ';
