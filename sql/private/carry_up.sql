-- Late spend and corrections in a pool that is closed under a parent: the parent books the change as `corrected` on the node it settled there.
-- Where the parent is closed too, its own post carries on.
create or replace function ledger_private.carry_up(
  p_pool ledger_private.pools,
  p_event ledger_private.journal,
  p_before ledger_private.channels[],
  p_after ledger_private.channels[]
)
returns void
language plpgsql
as $$
declare
  v_parent ledger_private.pools;
  v_event ledger_private.journal;
begin
  select * into strict v_parent from ledger_private.pools p where p.tenant_id = p_pool.tenant_id and p.pool_id = p_pool.parent_pool_id;
  v_event := ledger_private.event_for(v_parent, 'corrected', p_event, p_pool.pool_id);
  if p_event.kind <> 'drawn' then
    v_event := ledger_private.with_usage(v_event, ledger_private.usage_in(p_event));
  end if;
  v_event.reason := p_event.reason;
  perform ledger_private.post(v_event, ledger_private.passed_up(v_parent.pool_id, p_after, p_before));
end;
$$;
