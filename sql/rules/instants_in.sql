-- The instants that a list of prices names, each once: text and instant, null where the text is none. A book names few, often.
create or replace function ledger_private.instants_in(p_prices jsonb)
returns table (
  text text,
  instant timestamptz
)
language plpgsql
immutable
parallel safe
as $$
begin
  return query
    select d.text, ledger_private.instant(d.text)
    from (
      select distinct i.text
      from jsonb_array_elements(p_prices) e (price)
      cross join lateral (values (e.price ->> 'valid_from'), (e.price ->> 'valid_to')) i (text)
      where i.text is not null
    ) d;
end;
$$;
