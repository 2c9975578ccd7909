-- What makes two operations of one id the same: sha256 of the jsonb text without the id. (Immutable in effect; convert_to is not declared so, and
-- what is declared as it is goes into the query that asks.)
create or replace function ledger_private.digest_of(p_operation jsonb)
returns bytea
language sql
stable
parallel safe
return sha256(convert_to((p_operation - 'operation_id')::text, 'UTF8'));
