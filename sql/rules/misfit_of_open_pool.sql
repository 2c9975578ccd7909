-- What an open_pool gets wrong about its run or its parent (null = none): {path, rule} or null. Charge units never mix in one tree, and a run
-- holds no run.
create or replace function ledger_private.misfit_of_open_pool(
  p_parent ledger_private.pools,
  p_operation jsonb
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  if p_operation -> 'run' ? 'experiment' <> (p_operation -> 'run' ? 'arm') then
    return jsonb_build_object('path', 'run.arm', 'rule', 'experiment and arm are given together');
  elsif (p_operation -> 'run' ? 'task' or p_operation -> 'run' ? 'replicate') and not p_operation -> 'run' ? 'experiment' then
    return jsonb_build_object('path', 'run.experiment', 'rule', 'is required with task or replicate');
  elsif p_operation ->> 'token_charge' <> p_parent.token_charge then
    return jsonb_build_object('path', 'token_charge', 'rule', format('must be that of the tree: %s', p_parent.token_charge));
  elsif p_operation ? 'run' and p_parent.run_id is not null then
    return jsonb_build_object('path', 'run', 'rule', format('cannot be opened inside run %s', p_parent.run_id));
  end if;
  return null;
end;
$$;
