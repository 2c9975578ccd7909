-- What an event does to the channel rows of the pool that books it: the hold {channel: amount} goes back to free, the usage is committed.
-- A channel on which nothing moves is left out, so its row is not written.
create or replace function ledger_private.moves_of(
  p_usage ledger_private.usage,
  p_hold jsonb default '{}'
)
returns ledger_private.move[]
language plpgsql
immutable
parallel safe
as $$
declare
  v_moves ledger_private.move[] := '{}';
  v_held numeric;
  v_name text;
  v_item jsonb;
begin
  v_held := -coalesce((p_hold -> 'tokens')::numeric, 0);
  if v_held <> 0 or p_usage.charged_tokens <> 0 or p_usage.uncertain_tokens <> 0 or p_usage.tokens_unknown <> 0 then
    v_moves := v_moves
      || row('tokens', 0, v_held, p_usage.charged_tokens, p_usage.uncertain_tokens, p_usage.tokens_unknown, 0, true)::ledger_private.move;
  end if;
  v_held := -coalesce((p_hold -> 'iterations')::numeric, 0);
  if v_held <> 0 or p_usage.iterations <> 0 or p_usage.uncertain_iterations <> 0 or p_usage.iterations_unknown <> 0 then
    v_moves := v_moves
      || row('iterations', 0, v_held, p_usage.iterations, p_usage.uncertain_iterations, p_usage.iterations_unknown, 0, true)::ledger_private.move;
  end if;
  v_held := -coalesce((p_hold -> 'usd')::numeric, 0);
  if v_held <> 0 or p_usage.usd <> 0 or p_usage.uncertain_usd <> 0 or p_usage.usd_unknown <> 0 or p_usage.usd_seals <> 0 then
    v_moves := v_moves
      || row('usd', 0, v_held, coalesce(p_usage.usd, 0), p_usage.uncertain_usd, p_usage.usd_unknown, p_usage.usd_seals, true)::ledger_private.move;
  end if;
  for v_name, v_item in select e.key, e.value from jsonb_each(p_usage.resources) e loop
    v_moves := v_moves || row(
      v_name, 0, -coalesce((p_hold -> v_name)::numeric, 0), ledger_private.amount(v_item -> 'amount'),
      coalesce((v_item -> 'uncertain')::numeric, 0), coalesce((v_item -> 'unknown')::integer, 0), 0, true
    )::ledger_private.move;
  end loop;
  for v_name, v_held in select e.key, (e.value)::numeric from jsonb_each(p_hold) e loop
    if v_held <> 0 and v_name not in ('tokens', 'iterations', 'usd') and not coalesce(p_usage.resources ? v_name, false) then
      v_moves := v_moves || row(v_name, 0, -v_held, 0, 0, 0, 0, true)::ledger_private.move;
    end if;
  end loop;
  return v_moves;
end;
$$;
