-- Late spend and corrections in a pool that is closed under a parent: the parent books the change as `corrected` on the node it settled there.
-- Where the parent is closed too, its own post carries on. What the same event drew on this pool (p_drawn: rows before that) goes up in the
-- same row.
create or replace function ledger_private.carry_up(
  p_pool ledger_private.pools,
  p_event ledger_private.journal,
  p_before ledger_private.channels[],
  p_drawn ledger_private.channels[]
)
returns void
language plpgsql
as $$
declare
  v_parent constant ledger_private.pools := ledger_private.find_pool(p_pool.tenant_id, p_pool.parent_pool_id);
  v_event ledger_private.journal := ledger_private.event_for(v_parent, 'corrected', p_event, p_pool.pool_id);
  v_before ledger_private.channels[];
  v_after ledger_private.channels[];
begin
  v_before := array(select d from unnest(p_drawn) d where d.pool_id = p_pool.pool_id);
  v_before := v_before || array(
    select b from unnest(p_before) b where not exists (select from unnest(v_before) d where d.channel = b.channel)
  );
  v_after := array(
    select c
    from unnest(v_before) with ordinality b
    cross join lateral (
      select c.* from ledger_private.channels c
      where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id and c.channel = b.channel
      limit 1
    ) c
    order by b.ordinality
  );
  v_event := ledger_private.with_usage(v_event, ledger_private.usage_in(p_event));
  v_event.reason := p_event.reason;
  perform ledger_private.post(
    v_event, ledger_private.passed_up(v_parent.pool_id, v_after, v_before), 0, 0, 0, null, p_drawn
  );
end;
$$;
