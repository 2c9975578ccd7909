-- The pools of a run: its root's and those below it, walked by key. None where the id is no run's.
create or replace function ledger_private.pools_of_run(p_tenant_id text, p_run_id text)
returns text[]
language plpgsql
stable
as $$
begin
  return array(
    with recursive tree as (
      select r.run_id as pool_id from ledger_private.runs r where r.tenant_id = p_tenant_id and r.run_id = p_run_id
      union all
      select c.pool_id
      from tree t
      cross join lateral (
        select p.pool_id from ledger_private.pools p where p.tenant_id = p_tenant_id and p.parent_pool_id = t.pool_id
        offset 0
      ) c
    )
    select t.pool_id from tree t
  );
end;
$$;
