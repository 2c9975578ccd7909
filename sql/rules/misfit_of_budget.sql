-- What a budget gets wrong about the pool it is asked of: a capped tokens or iterations channel must be named, a resource must exist there.
-- {path, rule} or null; p_path is where the budget stands in the operation.
create or replace function ledger_private.misfit_of_budget(
  p_channels ledger_private.channels[],
  p_budget jsonb,
  p_path text
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_names text[] := '{}';
  v_name text;
begin
  for i in 1 .. cardinality(p_channels) loop
    if p_channels[i].channel in ('tokens', 'iterations') and p_channels[i].total is not null and not p_budget ? p_channels[i].channel then
      return jsonb_build_object('path', p_path || p_channels[i].channel, 'rule', 'is required: the pool caps it');
    end if;
    v_names := v_names || p_channels[i].channel;
  end loop;
  for v_name in select b.name from jsonb_object_keys(p_budget - v_names) b (name) order by b.name loop
    return jsonb_build_object('path', p_path || v_name, 'rule', 'is not a channel of the pool');
  end loop;
  return null;
end;
$$;
