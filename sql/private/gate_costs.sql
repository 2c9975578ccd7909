-- The runs of an experiment as a gate takes them, each with the part of it that it belongs to: '' for the whole and for runs without a task, else
-- '=' and the task. unsure: usage that is unknown or uncertain on the channel; estimated: charged without a receipt; unknown: events of unknown
-- usage, for dollars those for which nothing is charged. cell: task and replicate in one text, told apart by what no id can hold.
create or replace function ledger_private.gate_costs(p_tenant_id text, p_experiment text, p_by_task boolean)
returns table (
  part text,
  arm text,
  task text,
  replicate text,
  run_id text,
  left_out text,
  token_charge text,
  tokens numeric,
  usd numeric,
  iterations numeric,
  ms numeric,
  open_holds bigint,
  tokens_unsure boolean,
  usd_unsure boolean,
  tokens_estimated numeric,
  usd_estimated numeric,
  tokens_unknown bigint,
  usd_unknown bigint,
  first_spend_at timestamptz,
  cell text
)
language plpgsql
stable
as $$
begin
  return query
  select
    case when p_by_task then coalesce('=' || c.task, '') else '' end, c.arm, c.task, c.replicate, c.run_id, c.left_out, c.token_charge,
    c.charged_tokens, c.usd, c.iterations, c.ms, c.open_holds,
    not c.tokens_known or c.uncertain_tokens <> 0, not c.usd_known or c.uncertain_usd <> 0,
    c.uncertain_tokens, c.uncertain_usd, c.unknown_tokens_events::bigint, c.unknown_usd_events::bigint,
    c.first_spend_at, (coalesce('=' || c.task, '') || chr(1) || coalesce('=' || c.replicate, '')) collate "C"
  from ledger.run_costs c
  where c.tenant_id = p_tenant_id and c.experiment = p_experiment;
end;
$$;
