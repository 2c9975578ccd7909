-- Two maps of named resources {name: {amount, uncertain?, unknown?}} added up, the second one p_sign times. Null where nothing is left.
create or replace function ledger_private.resources_sum(
  p_one jsonb,
  p_other jsonb,
  p_sign integer default 1
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return case when p_one is null and p_other is null then null else (
    select jsonb_object_agg(r.name, jsonb_strip_nulls(jsonb_build_object(
      'amount', r.amount, 'uncertain', nullif(r.uncertain, 0), 'unknown', nullif(r.unknown, 0)
    )))
    from (
      select
        e.key as name,
        sum(e.sign * coalesce(ledger_private.amount(e.value -> 'amount'), 0)) as amount,
        sum(e.sign * coalesce((e.value -> 'uncertain')::numeric, 0)) as uncertain,
        sum(e.sign * coalesce((e.value -> 'unknown')::numeric, 0)) as unknown
      from (
        select o.key, o.value, 1 as sign from jsonb_each(coalesce(p_one, '{}')) o
        union all
        select o.key, o.value, p_sign from jsonb_each(coalesce(p_other, '{}')) o
      ) e
      group by e.key
    ) r
  ) end;
end;
$$;
