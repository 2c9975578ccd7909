-- Keeps how a run ended, where the pool is a run's root.
create or replace function ledger_private.end_run(
  p_pool ledger_private.pools,
  p_status text,
  p_operation jsonb
)
returns void
language plpgsql
as $$
begin
  if p_pool.run_id is distinct from p_pool.pool_id then
    return;
  end if;
  update ledger_private.runs r
  set outcome = p_status, verdict = p_operation -> 'verdict', out_ref = p_operation ->> 'out_ref', reason = p_operation ->> 'reason',
    infra = r.infra or coalesce((p_operation -> 'infra')::boolean, false)
  where r.tenant_id = p_pool.tenant_id and r.run_id = p_pool.run_id;
end;
$$;
