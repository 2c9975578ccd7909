-- The journal row at a place of a pool, or null.
create or replace function ledger_private.find_event(
  p_tenant_id text,
  p_pool_id text,
  p_seq bigint
)
returns ledger_private.journal
language plpgsql
stable
as $$
declare
  v_event ledger_private.journal;
begin
  select * into v_event from ledger_private.history j where j.tenant_id = p_tenant_id and j.pool_id = p_pool_id and j.seq = p_seq;
  return v_event;
end;
$$;
