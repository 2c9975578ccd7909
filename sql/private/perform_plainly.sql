-- One operation the plain way (ledger_private.book_plainly, spawn_plainly). Null where it is not plain, or where it turns out late that an id is
-- taken, a row is sealed or there is no room: then nothing of it stays. Most are of a form that is quickly told (ledger_private.common_meter).
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
  v_common boolean;
  v_plain boolean;
  v_spend jsonb;
  v_priced jsonb := p_operation;
begin
  if v_op = 'meter' then
    v_common := ledger_private.common_meter(p_operation);
  elsif v_op = 'settle' then
    v_common := ledger_private.common_settle(p_operation);
  elsif v_op = 'spawn' then
    v_common := ledger_private.common_spawn(p_operation);
  else
    return null;
  end if;
  if v_common and p_operation ? 'tags' then
    v_common := ledger_private.common_tags(p_operation -> 'tags');
  end if;
  if v_common is not true then
    if ledger_private.plain_texts(p_operation) is not true or ledger_private.instant(p_operation ->> 'effective_at') > p_at then
      return null;
    end if;
    if v_op = 'spawn' then
      v_plain := ledger_private.plain_spawn(p_operation) and ledger_private.plain_budget(p_operation -> 'budget');
    else
      v_spend := p_operation -> 'spend';
      v_plain := ledger_private.plain_spend(v_spend)
        and case v_op when 'meter' then ledger_private.plain_meter(p_operation) else ledger_private.plain_settle(p_operation) end;
    end if;
    if v_plain is not true then
      return null;
    elsif ledger_private.needs_price(p_operation) then
      v_priced := ledger_private.priced(
        p_operation, ledger_private.rate_card(p_tenant_id, array[p_operation]), coalesce(ledger_private.instant(p_operation ->> 'effective_at'), p_at)
      );
    end if;
  end if;
  if v_op = 'spawn' then
    return ledger_private.spawn_plainly(p_tenant_id, p_operation, p_at);
  end if;
  return ledger_private.book_plainly(p_tenant_id, p_operation, v_priced, v_common is true, p_at);
end;
$$;
