-- Why a pool cannot grant a budget: null, or {code, shortfall?}. p_channels are the pool's rows with the budget already taken out
-- (ledger_private.hold), p_payers the payer's row of each (null = nobody pays). Declared or not, every channel is asked of its payer: 0 does not
-- fit a negative free. Precedence as in the list of refusals.
create or replace function ledger_private.refusal_of_budget(
  p_channels ledger_private.channels[],
  p_payers ledger_private.channels[],
  p_budget jsonb
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_shortfall jsonb;
  v_want numeric;
  v_free numeric;
  v_unbudgeted boolean := false;
begin
  for i in 1 .. cardinality(p_channels) loop
    v_want := coalesce(ledger_private.amount(p_budget -> p_channels[i].channel), 0);
    v_free := p_payers[i].free + case when p_channels[i].total is null then 0 else v_want end;
    if p_channels[i].channel = 'usd' then
      if p_payers[i].seals > 0 then
        return '{"code": "usd-sealed"}';
      end if;
      v_unbudgeted := v_want > 0 and p_channels[i].total is null;
    end if;
    if v_want > v_free then
      v_shortfall := coalesce(v_shortfall, '[]') || jsonb_build_object(
        'channel', p_channels[i].channel, 'requested', ledger_private.text_of(v_want), 'free', ledger_private.text_of(v_free)
      );
    end if;
  end loop;
  return case
    when v_unbudgeted then '{"code": "usd-unbudgeted"}'::jsonb
    when v_shortfall is not null then jsonb_build_object('code', 'budget-exhausted', 'shortfall', v_shortfall)
  end;
end;
$$;
