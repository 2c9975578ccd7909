-- ledger.equal_k task by task, over all arms of the experiment: a task that only some arms have is unbalanced. task is null for the runs that state
-- none. A task of which no run counts has no rows.
-- Raises: LG009, LG012, LG001 (p_tolerance), LG010.
create or replace function ledger.equal_k_by_task(
  p_tenant_id text,
  p_experiment text,
  p_tolerance numeric default 0.05
)
returns table (
  task text,
  channel text,
  verdict text,
  spread numeric,
  median numeric,
  fraction numeric,
  tolerance numeric,
  reason text,
  arms jsonb,
  plan jsonb
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  return query
  select g.task, g.channel, g.verdict, g.spread, g.median, g.fraction, g.tolerance, g.reason, g.arms, g.plan
  from ledger_private.gate(p_tenant_id, p_experiment, p_tolerance, true) g;
end;
$$;
comment on function ledger.equal_k_by_task(text, text, numeric) is 'Whether arms cost the same within a tolerance, task by task.';
revoke all on function ledger.equal_k_by_task(text, text, numeric) from public;
grant execute on function ledger.equal_k_by_task(text, text, numeric) to ledger_admin, ledger_writer, ledger_auditor;
