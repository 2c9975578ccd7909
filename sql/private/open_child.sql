-- Opens the pool of a node that exists: pool, head, one row per channel, `opened`. p_channels {channel: {total?, unit?}}; a channel of the
-- parent that it does not name gets an uncapped row. Who pays a channel is fixed here: this pool if it caps it, else the parent's payer.
-- p_source: the parent's `spawned` row, null for a top pool. Returns the seq of `opened`.
create or replace function ledger_private.open_child(
  p_pool ledger_private.pools,
  p_channels jsonb,
  p_operation jsonb,
  p_at timestamptz,
  p_source_seq bigint default null
)
returns bigint
language plpgsql
as $$
declare
  v_pool ledger_private.pools := p_pool;
  v_event ledger_private.journal;
begin
  select array_agg(distinct c.payer) filter (where c.payer <> p_pool.pool_id), jsonb_object_agg(c.channel, c.payer) into v_pool.payers, v_pool.paid_by
  from (
    select o.key as channel, p_pool.pool_id as payer from jsonb_each(p_channels) o where o.value ? 'total'
    union all
    select c.channel, c.payer_pool_id from ledger_private.channels c
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.parent_pool_id and c.payer_pool_id is not null
      and not coalesce(p_channels -> c.channel ? 'total', false)
  ) c;
  insert into ledger_private.pools select v_pool.*;
  insert into ledger_private.pool_heads (tenant_id, pool_id) values (p_pool.tenant_id, p_pool.pool_id);
  insert into ledger_private.channels (tenant_id, pool_id, channel, unit, total, free, payer_pool_id)
  select
    p_pool.tenant_id, p_pool.pool_id, coalesce(o.key, i.channel), coalesce(o.value ->> 'unit', i.unit),
    case when o.value ? 'total' then 0 end, case when o.value ? 'total' then 0 end,
    case when o.value ? 'total' then p_pool.pool_id else i.payer_pool_id end
  from jsonb_each('{"tokens": {}, "iterations": {}, "usd": {}}' || p_channels) o
  full join (
    select c.channel, c.unit, c.payer_pool_id from ledger_private.channels c
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.parent_pool_id
  ) i on i.channel = o.key;

  v_event := ledger_private.event(p_pool, 'opened', p_operation, p_at);
  v_event.node_id := p_pool.pool_id;
  if p_source_seq is not null then
    v_event.source_pool_id := p_pool.parent_pool_id;
    v_event.source_seq := p_source_seq;
  end if;
  return ledger_private.post(v_event, (
    select array_agg(
      row(o.key, ledger_private.amount(o.value -> 'total'), 0, 0, 0, 0, 0, false)::ledger_private.move order by ledger_private.channel_order(o.key)
    )
    from jsonb_each(p_channels) o
    where o.value ? 'total'
  ));
end;
$$;
