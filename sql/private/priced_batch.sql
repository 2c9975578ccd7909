-- The operations of a batch with what they are estimated to cost (ledger_private.priced), where they are plain and need a price; the others as they
-- are. One rate card for the batch.
create or replace function ledger_private.priced_batch(
  p_tenant_id text,
  p_operations jsonb[],
  p_at timestamptz
)
returns jsonb[]
language plpgsql
as $$
declare
  v_asked jsonb[];
  v_card jsonb;
begin
  if not exists (select from unnest(p_operations) o (operation) where ledger_private.needs_price(o.operation)) then
    return p_operations;
  end if;
  v_asked := array(
    select case
      when ledger_private.needs_price(o.operation) and ledger_private.plain_operation(o.operation, o.operation -> 'spend', null) then o.operation
    end
    from unnest(p_operations) with ordinality o (operation, n) order by o.n
  );
  v_card := ledger_private.rate_card(p_tenant_id, array_remove(v_asked, null));
  if v_card is null then
    return p_operations;
  end if;
  return array(
    select case when o.asked is null then o.operation
      else ledger_private.priced(o.operation, v_card, coalesce((o.operation ->> 'effective_at')::timestamptz, p_at)) end
    from unnest(p_operations, v_asked) with ordinality o (operation, asked, n) order by o.n
  );
end;
$$;
