-- What makes two operations of one id the same: sha256 of the jsonb text without the id.
create or replace function ledger_private.digest_of(p_operation jsonb)
returns bytea
language plpgsql
immutable
parallel safe
as $$
begin
  return sha256(convert_to((p_operation - 'operation_id')::text, 'UTF8'));
end;
$$;
