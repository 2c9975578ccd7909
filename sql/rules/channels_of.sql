-- The channels of a driver's pool: capped where its budget declares a ceiling. {channel: {total}}.
create or replace function ledger_private.channels_of(p_budget jsonb)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return coalesce((select jsonb_object_agg(b.key, jsonb_build_object('total', b.value)) from jsonb_each(p_budget) b), '{}');
end;
$$;
