-- What is malformed about an operation, as far as the operation alone tells: {path, rule} of the LG001, or null.
create or replace function ledger_private.misfit_of_operation(p_operation jsonb, p_at timestamptz)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_shape jsonb;
  v_misfit jsonb;
begin
  if jsonb_typeof(p_operation) is distinct from 'object' then
    return jsonb_build_object('path', '', 'rule', 'an operation must be an object');
  elsif not coalesce(ledger_private.fits('id', p_operation -> 'operation_id'), false) then
    return jsonb_build_object('path', 'operation_id', 'rule', 'is required: ' || ledger_private.rule_text('id'));
  end if;
  v_shape := case
    when p_operation ->> 'op' = 'dispatch' and p_operation ? 'pool_id' and not p_operation ? 'node_id' then ledger_private.shape('call')
    when p_operation ->> 'op' not in ('any', 'spend', 'line', 'price', 'call', 'tool_call', 'tool_result')
      then ledger_private.shape(p_operation ->> 'op')
  end;
  if v_shape is null then
    return jsonb_build_object('path', 'op', 'rule', format('%s is no operation of the ledger', coalesce(p_operation -> 'op', 'null')));
  end if;
  if p_operation ->> 'op' = 'dispatch' and (p_operation ? 'node_id') = (p_operation ? 'pool_id') then
    return jsonb_build_object('path', 'node_id', 'rule', 'is required, or pool_id in its place: a hold, or a call of a driver''s own; not both');
  end if;
  v_misfit := ledger_private.misfit(p_operation, v_shape, '', ledger_private.shape('any'));
  if v_misfit is not null then
    return v_misfit;
  elsif ledger_private.instant(p_operation ->> 'effective_at') > p_at then
    return jsonb_build_object('path', 'effective_at', 'rule', 'must not be in the future');
  elsif p_operation #> '{detail,price_book}' is not null then
    return jsonb_build_object('path', 'detail.price_book', 'rule', 'is written by the ledger: the book that an estimate came from');
  elsif p_operation #> '{detail,tool_results}' is not null then
    return jsonb_build_object('path', 'detail.tool_results', 'rule', 'is written by the ledger: send tool_results beside detail');
  elsif p_operation -> 'meter_id' = p_operation -> 'operation_id' then
    return jsonb_build_object('path', 'meter_id', 'rule', 'is the id of the meter operation to come, not of this one');
  elsif p_operation ? 'spend' then
    v_misfit := ledger_private.misfit_of_spend(p_operation -> 'spend', 'spend.');
  end if;
  if v_misfit is null and p_operation ? 'lines' then
    v_misfit := case
      when p_operation ? 'spend' then ledger_private.misfit_of_lines(p_operation -> 'lines', p_operation -> 'spend')
      else jsonb_build_object('path', 'lines', 'rule', 'needs the spend that the lines add up to')
    end;
  end if;
  return v_misfit;
end;
$$;
