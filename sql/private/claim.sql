-- Claims an operation id for this call by inserting it, which reads nothing: the place of its row, null where the id is taken. The place is a
-- ctid, so that writing the answer later does not search the index either: a search would lock the page that strangers insert their own ids into.
create or replace function ledger_private.claim(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns tid
language plpgsql
as $$
declare
  v_place tid;
begin
  insert into ledger_private.operations (tenant_id, operation_id, digest, at)
  values (p_tenant_id, p_operation ->> 'operation_id', ledger_private.digest_of(p_operation), p_at)
  on conflict do nothing
  returning ctid into v_place;
  return v_place;
end;
$$;
