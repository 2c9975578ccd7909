-- What a call costs under the rates of its model (ledger.rates_of): dollars, exact, null where it cannot be known; and whether the model is free,
-- which is when every rate that holds then and at that size is 0. Each token is in one class: input is what was neither read from nor written
-- to a cache, cache_write what was written for five minutes; reasoning is output unless it has a rate of its own. Of a class the rate that
-- holds is the one of the largest above_input_tokens below the call's input (0 = always) and, where two overlap, the one that began last.
-- Unknown: a class that was used and has no rate, a model not in the book, more dollars than a spend can state, and less than nothing used.
-- The one place where usage becomes dollars: metering (ledger_private.priced) and ledger.priced_usage both ask here.
create or replace function ledger.price_of(
  p_rates jsonb,
  p_at timestamptz,
  p_input_tokens numeric,
  p_output_tokens numeric,
  p_cache_read_tokens numeric,
  p_cache_write_tokens numeric,
  p_cache_write_hour_tokens numeric,
  p_reasoning_tokens numeric,
  out p_usd numeric,
  out p_free boolean
)
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_at constant numeric := extract(epoch from p_at);
  v_class text;
  v_rates jsonb;
  v_rate numeric;
  v_tokens numeric;
  v_reasoning numeric := 0;
  v_sum numeric := 0;
  v_free boolean := true;
  v_any boolean := false;
begin
  if p_rates is null then
    return;
  end if;
  foreach v_class in array array['reasoning', 'input', 'output', 'cache_read', 'cache_write', 'cache_write_1h', 'request'] loop
    v_rate := null;
    v_rates := p_rates -> v_class;
    for i in 0 .. coalesce(jsonb_array_length(v_rates), 0) - 1 loop
      if ((v_rates -> i -> 0)::numeric < p_input_tokens or v_rates -> i -> 0 = '0')
        and coalesce((v_rates -> i ->> 1)::numeric <= v_at, true) and coalesce((v_rates -> i ->> 2)::numeric > v_at, true)
      then
        v_rate := (v_rates -> i -> 3)::numeric;
        v_any := true;
        v_free := v_free and v_rate = 0;
        exit;
      end if;
    end loop;
    if v_class = 'reasoning' and v_rate is not null then
      v_reasoning := p_reasoning_tokens;
    end if;
    v_tokens := case v_class
      when 'input' then p_input_tokens - p_cache_read_tokens - p_cache_write_tokens
      when 'cache_read' then p_cache_read_tokens
      when 'cache_write' then p_cache_write_tokens - p_cache_write_hour_tokens
      when 'cache_write_1h' then p_cache_write_hour_tokens
      when 'output' then p_output_tokens - v_reasoning
      when 'reasoning' then v_reasoning
      when 'request' then case when v_rate is null then 0 else 1 end
    end;
    if v_tokens < 0 or (v_tokens > 0 and v_rate is null) then
      return;
    end if;
    v_sum := v_sum + v_tokens * coalesce(v_rate, 0) * 0.000001;
  end loop;
  if v_any and v_sum < 1e15 then
    p_usd := trim_scale(v_sum);
    p_free := v_free;
  end if;
end;
$$;
comment on function ledger.price_of is
  'What a call costs under the rates of its model: dollars (null = unknown), and whether the model is free.';
revoke all on function ledger.price_of from public;
grant execute on function ledger.price_of to ledger_admin, ledger_writer, ledger_auditor;
