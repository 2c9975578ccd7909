-- Keeps the answers of operations by inserting their ids, which reads nothing. Raises LG000, caught by ledger.apply, where an id was taken
-- already: then the work is undone and every operation looks its id up first. p_answers parallel to p_operations.
create or replace function ledger_private.claim(
  p_tenant_id text,
  p_operations jsonb[],
  p_answers ledger_private.answer[],
  p_at timestamptz
)
returns void
language plpgsql
as $$
declare
  v_kept integer;
  v_written integer;
begin
  select count(*) into v_kept from unnest(p_answers) a where a.status in ('ok', 'refused');
  insert into ledger_private.operations (tenant_id, operation_id, digest, code, pool_id, seq, label, result, at)
  select
    p_tenant_id, o.operation ->> 'operation_id', ledger_private.digest_of(o.operation), a.code, a.pool_id, a.seq,
    case when a.status = 'refused' then coalesce(o.operation ->> 'label', o.operation #>> '{run,label}') end, a.result, p_at
  from unnest(p_operations) with ordinality o (operation, position)
  join unnest(p_answers) with ordinality a on a.ordinality = o.position
  where a.status in ('ok', 'refused')
  on conflict do nothing;
  get diagnostics v_written = row_count;
  if v_written < v_kept
    or (
      v_kept < cardinality(p_answers)
      and exists (
        select from unnest(p_operations) with ordinality o (operation, position)
        join ledger_private.operations k on k.tenant_id = p_tenant_id and k.operation_id = o.operation ->> 'operation_id'
        where (p_answers[o.position]).status = 'error'
      )
    )
  then
    raise exception using errcode = 'LG000', message = 'an operation id was used before';
  end if;
end;
$$;
