-- Whether the settlement of a leaf is of the form that most have, as ledger_private.common_meter.
create or replace function ledger_private.common_settle(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{op,operation_id,node_id,outcome,provider,model,provider_request_id,purpose,out_ref,spend,tags}'::text[] = '{}'
  and p_operation ?& '{operation_id,node_id}'::text[] and ledger_private.common_texts(p_operation - '{spend,tags}'::text[])
  and ledger_private.common_spend(p_operation -> 'spend')
  and p_operation @@ '
    $.spend.usd.type() == "string" && $.spend.usd like_regex "^[0-9]{1,15}([.][0-9]{1,12})?$" && ($.outcome == "done" || $.outcome == "down")
    && !($.purpose != "turn" && $.purpose != "compaction" && $.purpose != "failed" && $.purpose != "tool")
  ';
