-- The rates a book has for a model of a provider: {token_class: [[above_input_tokens, valid_from, valid_to, usd_per_million], ...]}, instants as
-- seconds since 1970 (null = open), in the order in which they are tried (ledger.price_of). Null where the book does not know the model.
-- A model is found by the first of these that the book has, names in lower case: its exact name; its name before a date (-YYYYMMDD or
-- -YYYY-MM-DD); the longest prefix of its name; the longest part of its name. Its rows alone count, whatever they lack.
-- The one place where a model is matched: metering (ledger_private.rate_card) and ledger.priced_usage both ask here. Rows are read by key.
create or replace function ledger.rates_of(
  p_tenant_id text,
  p_book text,
  p_provider text,
  p_model text
)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_provider constant text := lower(p_provider collate "C");
  v_model constant text := lower(p_model collate "C");
  v_match text;
  v_name text;
begin
  -- Longer names are none that an operation could state (kind id).
  if v_provider is null or v_model is null or char_length(v_provider) > 200 or char_length(v_model) > 200 then
    return null;
  end if;
  select 'exact', p.model into v_match, v_name from ledger.prices p
  where p.tenant_id = p_tenant_id and p.book = p_book and p.provider = v_provider and p.match = 'exact' and p.model = v_model
  limit 1;
  if v_name is null and v_model ~ '.-([0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2})$' then
    select 'dated', p.model into v_match, v_name from ledger.prices p
    where p.tenant_id = p_tenant_id and p.book = p_book and p.provider = v_provider and p.match = 'dated'
      and p.model = regexp_replace(v_model, '-([0-9]{8}|[0-9]{4}-[0-9]{2}-[0-9]{2})$', '')
    limit 1;
  end if;
  for v_length in reverse char_length(v_model)..1 loop
    exit when v_name is not null;
    select 'prefix', p.model into v_match, v_name from ledger.prices p
    where p.tenant_id = p_tenant_id and p.book = p_book and p.provider = v_provider and p.match = 'prefix' and p.model = left(v_model, v_length)
    limit 1;
  end loop;
  if v_name is null then
    select 'contains', p.model into v_match, v_name from ledger.prices p
    where p.tenant_id = p_tenant_id and p.book = p_book and p.provider = v_provider and p.match = 'contains'
      and position(p.model in v_model) > 0
    order by char_length(p.model) desc, p.model
    limit 1;
  end if;
  return (
    select jsonb_object_agg(c.token_class, c.rates)
    from (
      select p.token_class, jsonb_agg(
        jsonb_build_array(p.above_input_tokens, extract(epoch from p.valid_from), extract(epoch from p.valid_to), p.usd_per_million)
        order by p.above_input_tokens desc, p.valid_from desc nulls last
      ) as rates
      from ledger.prices p
      where p.tenant_id = p_tenant_id and p.book = p_book and p.provider = v_provider and p.match = v_match and p.model = v_name
      group by p.token_class
    ) c
  );
end;
$$;
comment on function ledger.rates_of(text, text, text, text) is 'The rates a book has for a model, per token class; null = not in the book.';
revoke all on function ledger.rates_of(text, text, text, text) from public;
grant execute on function ledger.rates_of(text, text, text, text) to ledger_admin, ledger_writer, ledger_auditor;
