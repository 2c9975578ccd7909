-- An amount in answers: text in shortest decimal form.
create or replace function ledger_private.text_of(p_amount numeric)
returns text
language sql
immutable
parallel safe
return trim_scale(p_amount)::text;
