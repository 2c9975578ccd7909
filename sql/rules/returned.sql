-- What closing a pool gives back, for answers: {channel: free} of the moves of ledger_private.giving_back.
create or replace function ledger_private.returned(p_moves ledger_private.move[])
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return coalesce((select jsonb_object_agg(m.channel, ledger_private.text_of(-m.funded)) from unnest(p_moves) m), '{}');
end;
$$;
