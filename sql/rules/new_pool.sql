-- A pool row under p_parent (null = a top pool): what it does not say itself is inherited, deadline and depth are the strictest of both.
create or replace function ledger_private.new_pool(
  p_parent ledger_private.pools,
  p_pool_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.pools
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.pools;
begin
  v.tenant_id := p_parent.tenant_id;
  v.pool_id := p_pool_id;
  v.parent_pool_id := p_parent.pool_id;
  v.run_id := p_parent.run_id;
  v.state := 'open';
  v.deadline_at := least(p_parent.deadline_at, p_at + (p_operation ->> 'deadline_ms')::double precision * interval '1 millisecond');
  v.unknown_usd := coalesce(p_operation ->> 'unknown_usd', p_parent.unknown_usd, 'seal');
  v.token_charge := coalesce(p_operation ->> 'token_charge', p_parent.token_charge, 'total');
  v.depth := coalesce(p_parent.depth + 1, 0);
  v.depth_left := least(p_parent.depth_left - 1, (p_operation -> 'max_depth')::integer);
  v.tags := ledger_private.tags_of(p_parent.tags, p_operation -> 'tags');
  v.opened_at := p_at;
  return v;
end;
$$;
