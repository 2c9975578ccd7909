-- The exact two-sided sign test on discordant pairs: min(1, 2 * sum of C(n, i) for i to the smaller count / 2^n), rounded to 12 decimals; 1 where
-- there are none. Whole numbers throughout (p_value of a few thousand pairs is far below what a float holds, and is 0 only once rounded).
create or replace function ledger_private.sign_test(p_one bigint, p_other bigint)
returns numeric
language plpgsql
immutable
strict
parallel safe
as $$
declare
  v_n constant bigint := p_one + p_other;
  v_all numeric := 1;
  v_ways numeric := 1;
  v_sum numeric := 1;
begin
  for i in 1 .. least(p_one, p_other) loop
    v_ways := div(v_ways * (v_n - i + 1), i);
    v_sum := v_sum + v_ways;
  end loop;
  for i in 1 .. v_n loop
    v_all := v_all * 2;
  end loop;
  return least(1, ledger_private.fraction_of(v_sum * 2, v_all));
end;
$$;
