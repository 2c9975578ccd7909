-- What is wrong with the lines of a settlement: {path, rule} or null. Each is well shaped, and together they are the spend: every field adds up
-- (missing = 0), and the spend is known exactly where all lines are.
create or replace function ledger_private.misfit_of_lines(p_lines jsonb, p_spend jsonb)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_line jsonb;
  v_index integer := 0;
  v_misfit jsonb;
  v_sum ledger_private.usage;
  v_field text;
  v_amount numeric;
  v_sums jsonb := '{}';
  v_resources jsonb := '{}';
  v_known jsonb := '{"usd_known": true, "tokens_known": true}';
begin
  for v_line in select e.line from jsonb_array_elements(p_lines) with ordinality e (line, position) order by e.position loop
    v_misfit := coalesce(
      ledger_private.misfit(v_line, ledger_private.shape('line'), format('lines.%s.', v_index)),
      ledger_private.misfit_of_spend(v_line, format('lines.%s.', v_index))
    );
    if v_misfit is not null then
      return v_misfit;
    end if;
    for v_field, v_amount in
      select e.key, ledger_private.amount(e.value) from jsonb_each(v_line) e
      where e.key in (
        'iterations', 'input_tokens', 'output_tokens', 'cache_read_tokens', 'cache_write_tokens', 'cache_write_1h_tokens', 'reasoning_tokens',
        'usd', 'ms'
      )
    loop
      v_sums := v_sums || jsonb_build_object(v_field, coalesce((v_sums -> v_field)::numeric, 0) + v_amount);
    end loop;
    for v_field, v_amount in select e.key, ledger_private.amount(e.value -> 'amount') from jsonb_each(coalesce(v_line -> 'resources', '{}')) e loop
      if not coalesce(p_spend -> 'resources' ? v_field, false) then
        return jsonb_build_object('path', 'lines', 'rule', format('%s of the lines must add up to spend.resources.%s', v_field, v_field));
      end if;
      v_resources := v_resources || jsonb_build_object(v_field, coalesce((v_resources -> v_field)::numeric, 0) + v_amount);
    end loop;
    foreach v_field in array array['usd_known', 'tokens_known'] loop
      if v_line -> v_field = 'false' then
        v_known := v_known || jsonb_build_object(v_field, false);
      end if;
    end loop;
    v_index := v_index + 1;
  end loop;

  foreach v_field in array array[
    'iterations', 'input_tokens', 'output_tokens', 'cache_read_tokens', 'cache_write_tokens', 'cache_write_1h_tokens', 'reasoning_tokens', 'usd', 'ms'
  ] loop
    if coalesce((v_sums -> v_field)::numeric, 0) <> coalesce(ledger_private.amount(p_spend -> v_field), 0) then
      return jsonb_build_object('path', 'lines', 'rule', format('%s of the lines must add up to spend.%s', v_field, v_field));
    end if;
  end loop;
  for v_field in
    select name from jsonb_object_keys(v_resources || coalesce(p_spend -> 'resources', '{}')) name order by name
  loop
    if coalesce((v_resources -> v_field)::numeric, 0) <> coalesce(ledger_private.amount(p_spend -> 'resources' -> v_field -> 'amount'), 0) then
      return jsonb_build_object('path', 'lines', 'rule', format('%s of the lines must add up to spend.resources.%s', v_field, v_field));
    end if;
  end loop;
  foreach v_field in array array['usd_known', 'tokens_known'] loop
    if coalesce(p_spend -> v_field, 'true') <> v_known -> v_field then
      return jsonb_build_object('path', 'lines', 'rule', format('spend.%s must be true exactly when every line is known', v_field));
    end if;
  end loop;
  return null;
end;
$$;
