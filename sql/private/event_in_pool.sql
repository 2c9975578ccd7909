-- The last event that an operation booked in a pool as its own, read from the pool's journal, which has no index on operations: for those no longer
-- kept. Null where there is none, no pool is named, or the event is one of several leaves that the operation expired there.
create or replace function ledger_private.event_in_pool(
  p_tenant_id text,
  p_operation_id text,
  p_pool_id text
)
returns ledger_private.journal
language plpgsql
stable
as $$
declare
  v_seqs bigint[];
  v_event ledger_private.journal;
begin
  if p_pool_id is null then
    return null;
  end if;
  v_seqs := array(
    select h.seq from ledger_private.history h
    where h.tenant_id = p_tenant_id and h.pool_id = p_pool_id and h.operation_id = p_operation_id and h.source_pool_id is null
    order by h.seq desc
    limit 2
  );
  v_event := ledger_private.find_event(p_tenant_id, p_pool_id, v_seqs[1]);
  if v_event.kind = 'expired' and cardinality(v_seqs) > 1 then
    return null;
  end if;
  return v_event;
end;
$$;
