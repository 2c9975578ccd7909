-- What a closed pool passes up after its rows moved: the moves of its parent. p_before: rows as they were, of this pool and others; what the same
-- event first moved on a row counts (a payer that is closed was drawn on before its turn came).
create or replace function ledger_private.change_of(
  p_pool ledger_private.pools,
  p_before ledger_private.channels[]
)
returns ledger_private.move[]
language plpgsql
stable
as $$
declare
  v_before ledger_private.channels[];
  v_after ledger_private.channels[];
begin
  select array_agg(b.before order by b.n), array_agg(b.after order by b.n) into v_before, v_after
  from (
    select distinct on (o.channel) o.n, o.before, c as after
    from (
      select p_before[i] as before, p_before[i].channel, i as n
      from generate_subscripts(p_before, 1) i
      where p_before[i].pool_id = p_pool.pool_id
    ) o
    cross join lateral (
      select c.* from ledger_private.channels c
      where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id and c.channel = o.channel
      limit 1
    ) c
    order by o.channel, o.n
  ) b;
  return ledger_private.passed_up(p_pool.parent_pool_id, v_after, v_before);
end;
$$;
