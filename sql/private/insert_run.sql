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
    p_pool.tenant_id, p_pool.pool_id, p_run ->> 'label', p_run ->> 'experiment', p_run ->> 'arm', p_run ->> 'task',
    case jsonb_typeof(p_run -> 'replicate') when 'number' then trim_scale((p_run -> 'replicate')::numeric)::text else p_run ->> 'replicate' end, p_at
  );
end;
$$;
