-- What makes two price books the same: sha256 of their source and their rows in the order of their keys, whatever order they were sent in. Instants
-- count as seconds, so that no session's time zone shows.
create or replace function ledger_private.digest_of_prices(p_prices ledger_private.prices[], p_source text)
returns bytea
language plpgsql
immutable
parallel safe
as $$
begin
  return (
    select sha256(convert_to(jsonb_build_array(p_source, jsonb_agg(
      jsonb_build_array(
        p.provider, p.match, p.model, p.token_class, p.above_input_tokens, extract(epoch from p.valid_from)::text,
        extract(epoch from p.valid_to)::text, trim_scale(p.usd_per_million), p.source
      )
      order by p.provider collate "C", p.match, p.model collate "C", p.token_class, p.above_input_tokens, p.valid_from
    ))::text, 'UTF8'))
    from unnest(p_prices) p
  );
end;
$$;
