-- Claims operation ids for this call by inserting them, which reads nothing: for each operation the place of its row, null where the id is
-- taken (by an earlier call, or earlier in this one) or is no id. The place is a ctid, so that writing the answer later does not search the
-- index either: a search would lock the page that strangers insert their own ids into.
create or replace function ledger_private.claim(
  p_tenant_id text,
  p_operations jsonb[],
  p_at timestamptz
)
returns tid[]
language plpgsql
as $$
declare
  v_places tid[];
  v_place tid;
begin
  if cardinality(p_operations) = 1 then
    insert into ledger_private.operations (tenant_id, operation_id, digest, at)
    select p_tenant_id, p_operations[1] ->> 'operation_id', ledger_private.digest_of(p_operations[1]), p_at
    where ledger_private.fits('id', p_operations[1] -> 'operation_id')
    on conflict do nothing
    returning ctid into v_place;
    return array[v_place];
  end if;
  with asked as (
    select o.operation ->> 'operation_id' as operation_id, min(o.n) as n
    from unnest(p_operations) with ordinality o (operation, n)
    where ledger_private.fits('id', o.operation -> 'operation_id')
    group by 1
  ),
  claimed as (
    insert into ledger_private.operations (tenant_id, operation_id, digest, at)
    select p_tenant_id, a.operation_id, ledger_private.digest_of(p_operations[a.n]), p_at from asked a
    order by a.operation_id
    on conflict do nothing
    returning operation_id, ctid as place
  )
  select array_agg(c.place order by o.n) into v_places
  from unnest(p_operations) with ordinality o (operation, n)
  left join asked a on a.n = o.n
  left join claimed c on c.operation_id = a.operation_id;
  return v_places;
end;
$$;
