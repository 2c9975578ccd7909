-- One operation the plain way (ledger_private.book_plainly, spawn_plainly). Null where it is not of a common form, or where it turns out late
-- that an id is taken, a row is sealed or there is no room: then nothing of it stays.
create or replace function ledger_private.perform_plainly(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_op constant text := p_operation ->> 'op';
  v_spend constant jsonb := p_operation -> 'spend';
  v_budget constant jsonb := p_operation -> 'budget';
  v_priced jsonb := p_operation;
begin
  if v_op is null or ledger_private.instant(p_operation ->> 'effective_at') > p_at then
    return null;
  elsif v_op = 'spawn' then
    if ledger_private.plain_spawn(p_operation) and ledger_private.plain_texts(p_operation) and ledger_private.plain_budget(v_budget) then
      return ledger_private.spawn_plainly(p_tenant_id, p_operation, p_at);
    end if;
  elsif (v_op = 'meter' and ledger_private.plain_meter(p_operation) or v_op = 'settle' and ledger_private.plain_settle(p_operation))
    and ledger_private.plain_texts(p_operation) and ledger_private.plain_spend(v_spend) and ledger_private.plain_amounts(
      (v_spend -> 'input_tokens')::numeric, (v_spend -> 'output_tokens')::numeric, (v_spend -> 'cache_read_tokens')::numeric,
      (v_spend -> 'cache_write_tokens')::numeric, (v_spend -> 'cache_write_1h_tokens')::numeric, (v_spend -> 'reasoning_tokens')::numeric
    )
  then
    if ledger_private.needs_price(p_operation) then
      v_priced := ledger_private.priced(
        p_operation, ledger_private.rate_card(p_tenant_id, array[p_operation]), coalesce(ledger_private.instant(p_operation ->> 'effective_at'), p_at)
      );
    end if;
    return ledger_private.book_plainly(p_tenant_id, p_operation, v_priced, p_at);
  end if;
  return null;
end;
$$;
