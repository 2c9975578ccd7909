-- Whether the arms of an experiment cost the same within a tolerance: rows tokens, usd and all (the worst of the two; its spread, median and
-- fraction are null). reason, the first that applies: open-hold, unknown-usage, unbalanced, mixed-units (all inconclusive), zero-median,
-- over-tolerance (unequal), or null (equal). arms: per arm its cost (on a channel with
-- what of it is estimated, and events unknown), what is open or unsure, what was left out; plan: null, or what was registered.
-- Raises: LG009, LG012, LG001 (p_tolerance), LG010.
create or replace function ledger.equal_k(
  p_tenant_id text,
  p_experiment text,
  p_tolerance numeric default 0.05
)
returns table (
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
  select g.channel, g.verdict, g.spread, g.median, g.fraction, g.tolerance, g.reason, g.arms, g.plan
  from ledger_private.gate(p_tenant_id, p_experiment, p_tolerance, false) g;
end;
$$;
comment on function ledger.equal_k(text, text, numeric) is 'Whether arms cost the same within a tolerance: per channel and for all.';
revoke all on function ledger.equal_k(text, text, numeric) from public;
grant execute on function ledger.equal_k(text, text, numeric) to ledger_admin, ledger_writer, ledger_auditor;
