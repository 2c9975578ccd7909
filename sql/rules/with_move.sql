-- A journal row with one more move written in: what it did to one channel row, and how a seal's remainder changed by it. Null = nothing.
create or replace function ledger_private.with_move(
  p_event ledger_private.journal,
  p_move ledger_private.move,
  p_funded numeric,
  p_remainder numeric
)
returns ledger_private.journal
language plpgsql
immutable
parallel safe
as $$
begin
  case p_move.channel
    when 'tokens' then
      p_event.tokens_funded := nullif(p_funded, 0);
      p_event.tokens_held := nullif(p_move.held, 0);
      p_event.tokens_spent := nullif(p_move.spent, 0);
      p_event.tokens_uncertain := nullif(p_move.uncertain, 0);
      p_event.tokens_unknown := nullif(p_move.unknown, 0);
    when 'iterations' then
      p_event.iterations_funded := nullif(p_funded, 0);
      p_event.iterations_held := nullif(p_move.held, 0);
      p_event.iterations_spent := nullif(p_move.spent, 0);
      p_event.iterations_uncertain := nullif(p_move.uncertain, 0);
      p_event.iterations_unknown := nullif(p_move.unknown, 0);
    when 'usd' then
      p_event.usd_funded := nullif(p_funded, 0);
      p_event.usd_held := nullif(p_move.held, 0);
      p_event.usd_spent := nullif(p_move.spent, 0);
      p_event.usd_uncertain := nullif(p_move.uncertain, 0);
      p_event.usd_unknown := nullif(p_move.unknown, 0);
      p_event.usd_seals := nullif(p_move.seals, 0);
      p_event.usd_remainder := nullif(p_remainder, 0);
    else
      p_event.resource_moves := coalesce(p_event.resource_moves, '{}') || jsonb_build_object(p_move.channel, jsonb_strip_nulls(jsonb_build_object(
        'funded', nullif(p_funded, 0), 'held', nullif(p_move.held, 0), 'spent', nullif(p_move.spent, 0),
        'uncertain', nullif(p_move.uncertain, 0), 'unknown', nullif(p_move.unknown, 0)
      )));
  end case;
  return p_event;
end;
$$;
