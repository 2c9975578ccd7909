-- Where a usage is above a declared ceiling: [{channel, reserved, spent}] in channel order. Declared 0 is a ceiling, undeclared is none.
create or replace function ledger_private.violations(
  p_usage ledger_private.usage,
  p_budget jsonb
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_violations jsonb := '[]';
  v_name text;
  v_spent numeric;
  v_declared numeric;
begin
  for v_name, v_declared in
    select b.key, ledger_private.amount(b.value) from jsonb_each(p_budget) b order by ledger_private.channel_order(b.key)
  loop
    v_spent := case v_name
      when 'tokens' then p_usage.charged_tokens
      when 'iterations' then p_usage.iterations
      when 'usd' then p_usage.usd
      else ledger_private.amount(p_usage.resources -> v_name -> 'amount')
    end;
    if v_spent > v_declared then
      v_violations := v_violations || jsonb_build_object(
        'channel', v_name, 'reserved', ledger_private.text_of(v_declared), 'spent', ledger_private.text_of(v_spent)
      );
    end if;
  end loop;
  return v_violations;
end;
$$;
