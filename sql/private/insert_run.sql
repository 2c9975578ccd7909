-- Marks a pool's node as a run.
create or replace function ledger_private.insert_run(
  p_pool ledger_private.pools,
  p_run jsonb,
  p_at timestamptz
)
returns void
language plpgsql
as $$
begin
  if p_run is null then
    return;
  end if;
  insert into ledger_private.runs (tenant_id, run_id, label, experiment, arm, task, replicate, opened_at)
  values (
    p_pool.tenant_id, p_pool.pool_id, p_run ->> 'label', p_run ->> 'experiment', p_run ->> 'arm', p_run ->> 'task', p_run ->> 'replicate', p_at
  );
end;
$$;
