-- How long the answers of a tenant's operations are kept, by its settings: replay_days (ledger.create_tenant checks it), else 30 days.
create or replace function ledger_private.replay_window(p_settings jsonb)
returns interval
language sql
immutable
parallel safe
return make_interval(days => case jsonb_typeof(p_settings -> 'replay_days')
  when 'number' then least(greatest((p_settings -> 'replay_days')::numeric, 1), 99999)::integer
  else 30
end);
