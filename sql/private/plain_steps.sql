-- The steps of a batch (ledger_private.steps) from the first one on, as long as they are plain and none is about the node of an earlier one.
create or replace function ledger_private.plain_steps(
  p_tenant_id text,
  p_operations jsonb[],
  p_at timestamptz
)
returns ledger_private.step[]
language plpgsql
as $$
declare
  v_priced constant jsonb[] := ledger_private.priced_batch(p_tenant_id, p_operations, p_at);
begin
  return (
    with read as materialized (
      select s.* from ledger_private.steps(p_tenant_id, p_operations, v_priced, p_at) s
    )
    select array_agg(r::ledger_private.step order by r.n)
    from read r
    where r.n < least(
      (select min(s.n) from read s where not s.plain),
      (
        select min(s.n)
        from (select i.n, row_number() over (partition by i.node_id order by i.n) as nth from read i where i.op in ('settle', 'dispatch', 'cancel')) s
        where s.nth > 1
      ),
      cardinality(p_operations) + 1
    )
  );
end;
$$;
