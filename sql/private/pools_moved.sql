-- The pools that have moved since a cursor, with what it has seen (after) and what there is (head). p_pool_ids: look at these only, by key.
create or replace function ledger_private.pools_moved(
  p_tenant_id text,
  p_after jsonb,
  p_pool_ids text[]
)
returns table (
  pool_id text,
  after bigint,
  head bigint
)
language plpgsql
stable
as $$
begin
  if p_pool_ids is not null then
    return query
      select h.pool_id, coalesce((p_after ->> h.pool_id)::bigint, 0), h.seq
      from unnest(p_pool_ids) i (pool_id)
      cross join lateral (
        select k.pool_id, k.seq from ledger_private.pool_heads k where k.tenant_id = p_tenant_id and k.pool_id = i.pool_id
        offset 0
      ) h
      where h.seq > coalesce((p_after ->> h.pool_id)::bigint, 0);
    return;
  end if;
  return query
    select h.pool_id, coalesce(c.seq, 0), h.seq
    from ledger_private.pool_heads h
    left join (select e.key, e.value::bigint as seq from jsonb_each(p_after) e) c on c.key = h.pool_id
    where h.tenant_id = p_tenant_id and h.seq > coalesce(c.seq, 0);
end;
$$;
