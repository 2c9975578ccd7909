-- The pools of operations that name none: where a corrected event was booked, and what an expire can reach (due pools, and those below their
-- lapsed drivers).
create or replace function ledger_private.pools_looked_up(p_tenant_id text, p_operations jsonb)
returns text[]
language plpgsql
stable
as $$
declare
  v_now constant timestamptz := clock_timestamp();
begin
  return coalesce(
    (
      select array_agg(distinct l.pool_id)
      from (
        select k.pool_id
        from jsonb_array_elements(p_operations) o (op)
        cross join lateral (
          select b.pool_id from ledger_private.event_booked_by(p_tenant_id, o.op ->> 'of') b
        ) k
        where o.op ->> 'op' = 'correct'
        union all
        select b.pool_id
        from jsonb_array_elements(p_operations) o (op)
        cross join lateral ledger_private.pools_below_lapsed(p_tenant_id, o.op ->> 'pool_id', v_now) b
        where o.op ->> 'op' = 'expire'
      ) l
      where l.pool_id is not null
    ),
    '{}'
  );
end;
$$;
