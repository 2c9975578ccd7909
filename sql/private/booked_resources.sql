-- The named resources booked now for an event: {name: {amount, uncertain?, unknown?}} of its row and the corrections of it.
create or replace function ledger_private.booked_resources(p_event ledger_private.journal)
returns jsonb
language plpgsql
stable
as $$
begin
  return (
    select jsonb_object_agg(r.name, jsonb_strip_nulls(jsonb_build_object(
      'amount', r.amount, 'uncertain', nullif(r.uncertain, 0), 'unknown', nullif(r.unknown, 0)
    )))
    from (
      select
        e.key as name, sum(ledger_private.amount(e.value -> 'amount')) as amount,
        sum(coalesce((e.value -> 'uncertain')::numeric, 0)) as uncertain, sum(coalesce((e.value -> 'unknown')::numeric, 0)) as unknown
      from (
        select p_event.resources
        union all
        select j.resources from ledger_private.history j
        where j.tenant_id = p_event.tenant_id and j.pool_id = p_event.pool_id and j.corrects_seq = p_event.seq
      ) b
      cross join lateral jsonb_each(b.resources) e
      group by e.key
    ) r
  );
end;
$$;
