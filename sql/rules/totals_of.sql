-- The budget that the channels of an open_pool ask for: {channel: total} of those that have one.
create or replace function ledger_private.totals_of(p_channels jsonb)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return coalesce((select jsonb_object_agg(c.key, c.value -> 'total') from jsonb_each(p_channels) c where c.value ? 'total'), '{}');
end;
$$;
