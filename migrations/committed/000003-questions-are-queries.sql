--! Previous: sha1:935300b1f6463e10718ad85ac352cce017588e5c
--! Hash: sha1:5e06509ed76b904ef96a39236fb6dce801cb0c5b
--! Message: questions are queries

-- Questions are queries: prices, experiments, audits, artifacts; and reading that is fast.

set local role ledger_owner;

-- Prices
create table if not exists ledger_private.price_books (
  tenant_id text not null,
  book text not null,
  source text,
  digest bytea not null,
  recorded_at timestamptz not null default clock_timestamp(),
  recorded_by text not null default session_user,
  constraint price_books_pkey primary key (tenant_id, book),
  constraint price_books_tenant_fkey foreign key (tenant_id) references ledger_private.tenants (tenant_id),
  constraint price_books_book_short check (char_length(book) between 1 and 200),
  constraint price_books_digest_sha256 check (octet_length(digest) = 32)
);
comment on table ledger_private.price_books is 'What a tenant priced from or may price from. Never changed: digest says which content it has.';

create table if not exists ledger_private.prices (
  tenant_id text not null,
  book text not null,
  provider text not null,
  match text not null,
  model text not null,
  token_class text not null,
  above_input_tokens bigint not null default 0,
  valid_from timestamptz not null default '-infinity',
  valid_to timestamptz not null default 'infinity',
  usd_per_million numeric(18, 6) not null,
  source text,
  constraint prices_pkey primary key (tenant_id, book, provider, match, model, token_class, above_input_tokens, valid_from),
  constraint prices_book_fkey foreign key (tenant_id, book) references ledger_private.price_books (tenant_id, book),
  constraint prices_names_lower check (provider = lower(provider collate "C") and model = lower(model collate "C")),
  constraint prices_names_short check (char_length(provider) between 1 and 200 and char_length(model) between 1 and 200),
  constraint prices_match_known check (match ~ '^(exact|dated|prefix|contains)$'),
  constraint prices_token_class_known check (token_class ~ '^(input|cache_read|cache_write|cache_write_1h|output|reasoning|request)$'),
  constraint prices_above_not_negative check (above_input_tokens >= 0),
  constraint prices_valid_for_some_time check (valid_from < valid_to),
  constraint prices_not_negative check (usd_per_million >= 0 and usd_per_million < 'Infinity')
);
comment on table ledger_private.prices is
  'Dollars per million tokens of a class (request: per million calls), for calls with more input than above_input_tokens (0 = all).';

alter table ledger_private.tenants add column if not exists price_book text;
alter table ledger_private.tenants drop constraint if exists tenants_price_book_fkey;
alter table ledger_private.tenants
  add constraint tenants_price_book_fkey foreign key (tenant_id, price_book) references ledger_private.price_books (tenant_id, book);
comment on column ledger_private.tenants.price_book is 'The book that calls without a receipt are priced from; null = none.';

-- Cache writes for an hour are priced apart from those for five minutes.
do $$
begin
  if not exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = 'ledger_private.usage'::regclass and a.attname = 'cache_write_1h_tokens' and not a.attisdropped
  ) then
    alter type ledger_private.usage add attribute cache_write_1h_tokens numeric;
  end if;
end
$$;
alter table ledger_private.journal add column if not exists cache_write_1h_tokens numeric(38, 0);
alter table ledger_private.journal drop constraint if exists journal_cache_write_1h_within_cache_write;
alter table ledger_private.journal add constraint journal_cache_write_1h_within_cache_write check (
  cache_write_1h_tokens < 'Infinity' and (kind = 'corrected' or cache_write_1h_tokens between 0 and coalesce(cache_write_tokens, 0))
);
alter table ledger_private.usage_lines add column if not exists cache_write_1h_tokens numeric(38, 0) not null default 0;
alter table ledger_private.usage_lines drop constraint if exists usage_lines_cache_write_1h_within_cache_write;
alter table ledger_private.usage_lines add constraint usage_lines_cache_write_1h_within_cache_write check (
  cache_write_1h_tokens < 'Infinity' and (correction or cache_write_1h_tokens between 0 and cache_write_tokens)
);

--! Included rules/fits.sql
-- Whether a JSON value is of a named kind (the kinds of ledger_private.shape). Unknown kinds fit nothing.
create or replace function ledger_private.fits(p_kind text, p_value jsonb)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_type constant text := jsonb_typeof(p_value);
  v_number numeric;
begin
  case p_kind
    when 'id' then
      return v_type = 'string' and char_length(p_value #>> '{}') between 1 and 200 and (p_value #>> '{}') !~ '[[:cntrl:]]';
    when 'text' then
      return v_type = 'string' and char_length(p_value #>> '{}') <= 10000;
    when 'count', 'whole' then
      if v_type not in ('number', 'string') then
        return false;
      end if;
      v_number := ledger_private.amount(p_value);
      return coalesce(v_number = trunc(v_number) and v_number <= 9007199254740991
        and v_number >= case p_kind when 'count' then 0 else -9007199254740991 end, false);
    when 'money', 'change', 'rate' then
      if v_type not in ('number', 'string') then
        return false;
      end if;
      v_number := ledger_private.amount(p_value);
      return coalesce(scale(trim_scale(v_number)) <= case p_kind when 'rate' then 6 else 12 end and (v_number >= 0 or p_kind = 'change')
        and abs(v_number) < case p_kind when 'rate' then 1e12 else 1e15 end, false);
    when 'duration_ms' then
      return v_type = 'number' and p_value::numeric between 1 and 315360000000 and trunc(p_value::numeric) = p_value::numeric;
    when 'small' then
      return v_type = 'number' and p_value::numeric between 0 and 2147483647 and trunc(p_value::numeric) = p_value::numeric;
    when 'flag' then
      return v_type = 'boolean';
    when 'score' then
      return v_type = 'number' and abs(p_value::numeric) < 1e15;
    when 'json' then
      return v_type <> 'null' and octet_length(p_value::text) <= 100000;
    when 'names' then
      return v_type = 'array' and jsonb_array_length(p_value) <= 1000
        and not exists (
          select from jsonb_array_elements(p_value) e (name)
          where jsonb_typeof(e.name) <> 'string' or char_length(e.name #>> '{}') > 200
        );
    when 'tags' then
      return v_type = 'object'
        and (select count(*) <= 16 and coalesce(bool_and(jsonb_typeof(t.value) = 'string' and char_length(t.value #>> '{}') <= 256
               and char_length(t.key) between 1 and 64), true) from jsonb_each(p_value) t);
    when 'instant' then
      return v_type = 'string' and ledger_private.instant(p_value #>> '{}') is not null;
    when 'outcome' then return p_value in ('"done"', '"down"');
    when 'purpose' then
      return p_value in ('"turn"', '"compaction"', '"failed"', '"tool"');
    when 'match' then return p_value in ('"exact"', '"dated"', '"prefix"', '"contains"');
    when 'token_class' then
      return v_type = 'string' and p_value #>> '{}' ~ '^(input|cache_read|cache_write|cache_write_1h|output|reasoning|request)$';
    when 'unknown_usd' then
      return p_value in ('"seal"', '"flag"');
    when 'token_charge' then
      return p_value in ('"total"', '"uncached"');
    when 'replicate' then
      return ledger_private.fits('id', p_value) or ledger_private.fits('count', p_value);
    when 'lines' then
      return v_type = 'array' and jsonb_array_length(p_value) between 1 and 1000;
    else
      return false;
  end case;
end;
$$;
--! EndIncluded rules/fits.sql
--! Included rules/rule_text.sql
-- What a value of a named kind must be, in words: result.rule of an LG001.
create or replace function ledger_private.rule_text(p_kind text)
returns text
language sql
immutable
parallel safe
return case p_kind
  when 'id' then 'must be a text of 1 to 200 characters without control characters'
  when 'text' then 'must be a text of at most 10000 characters'
  when 'count' then 'must be a whole number from 0 to 9007199254740991'
  when 'whole' then 'must be a whole number from -9007199254740991 to 9007199254740991'
  when 'money' then 'must be a number or decimal text from 0 to below 10^15 with at most 12 decimals'
  when 'change' then 'must be a number or decimal text between -10^15 and 10^15 with at most 12 decimals'
  when 'rate' then 'must be a number or decimal text of dollars per million from 0 to below 10^12 with at most 6 decimals'
  when 'match' then 'must be exact, dated, prefix or contains'
  when 'token_class' then 'must be input, cache_read, cache_write, cache_write_1h, output, reasoning or request'
  when 'duration_ms' then 'must be a whole number of milliseconds from 1 to 315360000000'
  when 'small' then 'must be a whole number from 0 to 2147483647'
  when 'flag' then 'must be true or false'
  when 'score' then 'must be a finite number'
  when 'json' then 'must be JSON other than null of at most 100000 bytes'
  when 'names' then 'must be a list of at most 1000 texts of at most 200 characters'
  when 'tags' then 'must be at most 16 pairs of short texts: keys up to 64, values up to 256 characters'
  when 'instant' then 'must be an ISO 8601 instant with a time zone'
  when 'outcome' then 'must be done or down'
  when 'purpose' then 'must be turn, compaction, failed or tool'
  when 'unknown_usd' then 'must be seal or flag'
  when 'token_charge' then 'must be total or uncached'
  when 'replicate' then 'must be a short text or a whole number'
  when 'own' then 'is a channel of its own, not a resource'
  when 'lines' then 'must be a list of 1 to 1000 lines'
end;
--! EndIncluded rules/rule_text.sql
--! Included rules/shape.sql
-- The keys of an operation (besides those of 'any'), of a spend, of a usage line and of a price: name -> kind (ledger_private.fits), 'spend', or
-- the shape of an object; "!" lists the required ones, "*" stands for any other channel name. Null for an operation that does not exist.
create or replace function ledger_private.shape(p_op text)
returns jsonb
language sql
immutable
parallel safe
return case p_op
  when 'any' then '{
    "op": "id", "operation_id": "id", "effective_at": "instant", "tags": "tags"
  }'::jsonb
  when 'spend' then '{
    "!": ["iterations", "input_tokens", "output_tokens"],
    "iterations": "count", "input_tokens": "count", "output_tokens": "count", "cache_read_tokens": "count", "cache_write_tokens": "count",
    "cache_write_1h_tokens": "count", "reasoning_tokens": "count", "usd": "money", "usd_known": "flag", "tokens_known": "flag", "ms": "count",
    "resources": {"!": [], "tokens": "own", "iterations": "own", "usd": "own", "*": {"!": ["amount"], "amount": "money"}}
  }'::jsonb
  when 'line' then '{
    "!": [], "provider": "id", "model": "id", "provider_request_id": "id",
    "iterations": "count", "input_tokens": "count", "output_tokens": "count", "cache_read_tokens": "count", "cache_write_tokens": "count",
    "cache_write_1h_tokens": "count", "reasoning_tokens": "count", "usd": "money", "usd_known": "flag", "tokens_known": "flag", "ms": "count",
    "resources": {"!": [], "tokens": "own", "iterations": "own", "usd": "own", "*": {"!": ["amount"], "amount": "money"}}
  }'::jsonb
  when 'price' then '{
    "!": ["provider", "model", "token_class", "usd_per_million"],
    "provider": "id", "model": "id", "match": "match", "token_class": "token_class", "usd_per_million": "rate",
    "above_input_tokens": "count", "valid_from": "instant", "valid_to": "instant", "source": "id"
  }'::jsonb
  when 'meter' then '{
    "!": ["pool_id", "spend"],
    "pool_id": "id", "turn": "small", "tool_calls": "names", "detail": "json",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'spawn' then '{
    "!": ["pool_id", "label", "budget"],
    "pool_id": "id", "node_id": "id", "label": "id", "runtime": "id", "key": "id", "lease_ms": "duration_ms", "driver": "flag",
    "budget": {"!": [], "tokens": "count", "iterations": "count", "usd": "money", "*": "money"}
  }'::jsonb
  when 'settle' then '{
    "!": ["node_id", "outcome"],
    "node_id": "id", "outcome": "outcome", "verdict": "json", "out_ref": "id", "reason": "text", "infra": "flag",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'cancel' then '{
    "!": ["node_id", "reason"],
    "node_id": "id", "reason": "text",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'correct' then '{
    "!": ["of", "spend", "reason"],
    "of": "id", "reason": "text", "tool_calls": "names", "lines": "lines", "spend": "spend"
  }'::jsonb
  when 'dispatch' then '{
    "!": ["node_id"],
    "node_id": "id"
  }'::jsonb
  when 'extend' then '{
    "!": ["node_id", "lease_ms"],
    "node_id": "id", "lease_ms": "duration_ms"
  }'::jsonb
  when 'deliver' then '{
    "!": ["pool_id"],
    "pool_id": "id"
  }'::jsonb
  when 'open_pool' then '{
    "!": ["pool_id", "channels"],
    "pool_id": "id", "deadline_ms": "duration_ms", "max_depth": "small", "unknown_usd": "unknown_usd", "token_charge": "token_charge",
    "parent_pool_id": "id",
    "channels": {
      "!": [], "tokens": {"!": [], "total": "count", "unit": "id"}, "iterations": {"!": [], "total": "count", "unit": "id"},
      "*": {"!": [], "total": "money", "unit": "id"}
    },
    "run": {"!": ["label"], "label": "id", "experiment": "id", "arm": "id", "task": "id", "replicate": "replicate"}
  }'::jsonb
  when 'fund' then '{
    "!": ["pool_id", "amounts"],
    "pool_id": "id", "amounts": {"!": [], "tokens": "whole", "iterations": "whole", "*": "change"}
  }'::jsonb
  when 'expire' then '{
    "!": [],
    "pool_id": "id"
  }'::jsonb
  when 'freeze' then '{
    "!": ["pool_id"],
    "pool_id": "id", "reason": "text"
  }'::jsonb
  when 'thaw' then '{
    "!": ["pool_id"],
    "pool_id": "id", "reason": "text"
  }'::jsonb
  when 'close_pool' then '{
    "!": ["pool_id"],
    "pool_id": "id"
  }'::jsonb
  when 'judge' then '{
    "!": ["run_id", "resolved"],
    "run_id": "id", "resolved": "flag", "score": "score", "infra": "flag"
  }'::jsonb
  when 'plan' then '{
    "!": ["pool_id", "experiment", "plan_ref"],
    "pool_id": "id", "experiment": "id", "plan_ref": "id"
  }'::jsonb
end;
--! EndIncluded rules/shape.sql
--! Included rules/misfit_of_spend.sql
-- What a well-shaped spend still gets wrong: {path, rule} or null. Silence about dollars is not zero; parts never exceed their whole.
create or replace function ledger_private.misfit_of_spend(p_spend jsonb, p_path text)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return case
    when not p_spend ? 'usd' and coalesce((p_spend -> 'usd_known')::boolean, true)
      then jsonb_build_object('path', p_path || 'usd', 'rule', 'is required: a receipt (0 is one), or usd_known: false')
    when coalesce(ledger_private.amount(p_spend -> 'cache_read_tokens'), 0) + coalesce(ledger_private.amount(p_spend -> 'cache_write_tokens'), 0)
        > coalesce(ledger_private.amount(p_spend -> 'input_tokens'), 0)
      then jsonb_build_object('path', p_path || 'cache_read_tokens', 'rule', 'cache reads + writes are part of input_tokens and cannot exceed it')
    when p_spend ? 'cache_write_1h_tokens' and ledger_private.amount(p_spend -> 'cache_write_1h_tokens')
        > coalesce(ledger_private.amount(p_spend -> 'cache_write_tokens'), 0)
      then jsonb_build_object('path', p_path || 'cache_write_1h_tokens', 'rule', 'is part of cache_write_tokens and cannot exceed it')
    when coalesce(ledger_private.amount(p_spend -> 'reasoning_tokens'), 0) > coalesce(ledger_private.amount(p_spend -> 'output_tokens'), 0)
      then jsonb_build_object('path', p_path || 'reasoning_tokens', 'rule', 'reasoning is part of output_tokens and cannot exceed it')
  end;
end;
$$;
--! EndIncluded rules/misfit_of_spend.sql
--! Included rules/misfit_of_lines.sql
-- What is wrong with the lines of a settlement: {path, rule} or null. Each is well shaped, and together they are the spend: every field adds up
-- (missing = 0), and the spend is known exactly where all lines are.
create or replace function ledger_private.misfit_of_lines(p_lines jsonb, p_spend jsonb)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_line jsonb;
  v_index integer := 0;
  v_misfit jsonb;
  v_sum ledger_private.usage;
  v_field text;
  v_amount numeric;
  v_sums jsonb := '{}';
  v_resources jsonb := '{}';
  v_known jsonb := '{"usd_known": true, "tokens_known": true}';
begin
  for v_line in select e.line from jsonb_array_elements(p_lines) with ordinality e (line, position) order by e.position loop
    v_misfit := coalesce(
      ledger_private.misfit(v_line, ledger_private.shape('line'), format('lines.%s.', v_index)),
      ledger_private.misfit_of_spend(v_line, format('lines.%s.', v_index))
    );
    if v_misfit is not null then
      return v_misfit;
    end if;
    for v_field, v_amount in
      select e.key, ledger_private.amount(e.value) from jsonb_each(v_line) e
      where e.key in (
        'iterations', 'input_tokens', 'output_tokens', 'cache_read_tokens', 'cache_write_tokens', 'cache_write_1h_tokens', 'reasoning_tokens',
        'usd', 'ms'
      )
    loop
      v_sums := v_sums || jsonb_build_object(v_field, coalesce((v_sums -> v_field)::numeric, 0) + v_amount);
    end loop;
    for v_field, v_amount in select e.key, ledger_private.amount(e.value -> 'amount') from jsonb_each(coalesce(v_line -> 'resources', '{}')) e loop
      if not coalesce(p_spend -> 'resources' ? v_field, false) then
        return jsonb_build_object('path', 'lines', 'rule', format('%s of the lines must add up to spend.resources.%s', v_field, v_field));
      end if;
      v_resources := v_resources || jsonb_build_object(v_field, coalesce((v_resources -> v_field)::numeric, 0) + v_amount);
    end loop;
    foreach v_field in array array['usd_known', 'tokens_known'] loop
      if v_line -> v_field = 'false' then
        v_known := v_known || jsonb_build_object(v_field, false);
      end if;
    end loop;
    v_index := v_index + 1;
  end loop;

  foreach v_field in array array[
    'iterations', 'input_tokens', 'output_tokens', 'cache_read_tokens', 'cache_write_tokens', 'cache_write_1h_tokens', 'reasoning_tokens', 'usd', 'ms'
  ] loop
    if coalesce((v_sums -> v_field)::numeric, 0) <> coalesce(ledger_private.amount(p_spend -> v_field), 0) then
      return jsonb_build_object('path', 'lines', 'rule', format('%s of the lines must add up to spend.%s', v_field, v_field));
    end if;
  end loop;
  for v_field in
    select name from jsonb_object_keys(v_resources || coalesce(p_spend -> 'resources', '{}')) name order by name
  loop
    if coalesce((v_resources -> v_field)::numeric, 0) <> coalesce(ledger_private.amount(p_spend -> 'resources' -> v_field -> 'amount'), 0) then
      return jsonb_build_object('path', 'lines', 'rule', format('%s of the lines must add up to spend.resources.%s', v_field, v_field));
    end if;
  end loop;
  foreach v_field in array array['usd_known', 'tokens_known'] loop
    if coalesce(p_spend -> v_field, 'true') <> v_known -> v_field then
      return jsonb_build_object('path', 'lines', 'rule', format('spend.%s must be true exactly when every line is known', v_field));
    end if;
  end loop;
  return null;
end;
$$;
--! EndIncluded rules/misfit_of_lines.sql
--! Included rules/misfit_of_operation.sql
-- What is malformed about an operation, as far as the operation alone tells: {path, rule} of the LG001, or null.
create or replace function ledger_private.misfit_of_operation(p_operation jsonb, p_at timestamptz)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_shape jsonb;
  v_misfit jsonb;
begin
  if jsonb_typeof(p_operation) is distinct from 'object' then
    return jsonb_build_object('path', '', 'rule', 'an operation must be an object');
  elsif not coalesce(ledger_private.fits('id', p_operation -> 'operation_id'), false) then
    return jsonb_build_object('path', 'operation_id', 'rule', 'is required: ' || ledger_private.rule_text('id'));
  end if;
  v_shape := case when p_operation ->> 'op' not in ('any', 'spend', 'line', 'price') then ledger_private.shape(p_operation ->> 'op') end;
  if v_shape is null then
    return jsonb_build_object('path', 'op', 'rule', format('%s is no operation of the ledger', coalesce(p_operation -> 'op', 'null')));
  end if;
  v_misfit := ledger_private.misfit(p_operation, v_shape, '', ledger_private.shape('any'));
  if v_misfit is not null then
    return v_misfit;
  elsif ledger_private.instant(p_operation ->> 'effective_at') > p_at then
    return jsonb_build_object('path', 'effective_at', 'rule', 'must not be in the future');
  elsif p_operation #> '{detail,price_book}' is not null then
    return jsonb_build_object('path', 'detail.price_book', 'rule', 'is written by the ledger: the book that an estimate came from');
  elsif p_operation ? 'spend' then
    v_misfit := ledger_private.misfit_of_spend(p_operation -> 'spend', 'spend.');
  end if;
  if v_misfit is null and p_operation ? 'lines' then
    v_misfit := case
      when p_operation ? 'spend' then ledger_private.misfit_of_lines(p_operation -> 'lines', p_operation -> 'spend')
      else jsonb_build_object('path', 'lines', 'rule', 'needs the spend that the lines add up to')
    end;
  end if;
  return v_misfit;
end;
$$;
--! EndIncluded rules/misfit_of_operation.sql
--! Included rules/plain_price.sql
-- Whether a price of a book is well-formed at first sight, which most are: what it says no to, ledger_private.misfit looks at closely. Instants only
-- need to be texts here. Inlined.
create or replace function ledger_private.plain_price(p_price jsonb)
returns boolean
language sql
immutable
parallel safe
return coalesce(
  p_price - array['provider', 'model', 'match', 'token_class', 'usd_per_million', 'above_input_tokens', 'valid_from', 'valid_to', 'source'] = '{}'
    and jsonb_typeof(p_price -> 'provider') = 'string' and char_length(p_price ->> 'provider') <= 200 and p_price ->> 'provider' ~ '^[ -~]+$'
    and jsonb_typeof(p_price -> 'model') = 'string' and char_length(p_price ->> 'model') <= 200 and p_price ->> 'model' ~ '^[ -~]+$'
    and p_price -> 'token_class' in ('"input"', '"cache_read"', '"cache_write"', '"cache_write_1h"', '"output"', '"reasoning"', '"request"')
    and coalesce(p_price -> 'match', '"exact"') in ('"exact"', '"dated"', '"prefix"', '"contains"')
    and jsonb_typeof(p_price -> 'usd_per_million') in ('number', 'string')
    and char_length(p_price ->> 'usd_per_million') <= 12 and p_price ->> 'usd_per_million' ~ '^[0-9]+([.][0-9]{1,6})?$'
    and (not p_price ? 'above_input_tokens' or ledger_private.fits('count', p_price -> 'above_input_tokens'))
    and coalesce(jsonb_typeof(p_price -> 'valid_from'), 'string') = 'string' and coalesce(jsonb_typeof(p_price -> 'valid_to'), 'string') = 'string'
    and (not p_price ? 'source' or ledger_private.fits('id', p_price -> 'source')),
  false
);
--! EndIncluded rules/plain_price.sql
--! Included rules/instants_in.sql
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
--! EndIncluded rules/instants_in.sql
--! Included rules/misfit_of_book.sql
-- What is malformed about a price book as it is sent to ledger.put_prices: {path, rule} or null.
create or replace function ledger_private.misfit_of_book(
  p_book text,
  p_prices jsonb,
  p_source text
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_shape constant jsonb := ledger_private.shape('price');
  v_none text[]; -- texts that are no instants
  v_price jsonb;
  v_index bigint;
  v_misfit jsonb;
begin
  if p_book is null or not ledger_private.fits('id', to_jsonb(p_book)) then
    return jsonb_build_object('path', 'p_book', 'rule', ledger_private.rule_text('id'));
  elsif p_source is not null and not ledger_private.fits('id', to_jsonb(p_source)) then
    return jsonb_build_object('path', 'p_source', 'rule', ledger_private.rule_text('id'));
  elsif jsonb_typeof(p_prices) is distinct from 'array' or jsonb_array_length(p_prices) not between 1 and 100000 then
    return jsonb_build_object('path', 'p_prices', 'rule', 'must be a list of 1 to 100000 prices');
  end if;
  v_none := array(select i.text from ledger_private.instants_in(p_prices) i where i.instant is null);
  for v_price, v_index in
    select e.price, e.n - 1 from jsonb_array_elements(p_prices) with ordinality e (price, n)
    where case
      when jsonb_typeof(e.price) = 'object'
        then not ledger_private.plain_price(e.price) or array[e.price ->> 'valid_from', e.price ->> 'valid_to'] && v_none
      else true
    end
    order by e.n
  loop
    v_misfit := ledger_private.misfit(v_price, v_shape, format('p_prices.%s.', v_index));
    if v_misfit is not null then
      return v_misfit;
    end if;
  end loop;
  return null;
end;
$$;
--! EndIncluded rules/misfit_of_book.sql
--! Included rules/usage_of.sql
-- The usage a well-formed spend (or usage line) states, charged in the pool's unit: `total` = input + output, `uncached` = input - cache reads
-- + output. Dollars: a receipt; an estimate (usd_known false), all of it uncertain; or unknown: the declared ceiling of p_budget, uncertain,
-- else nothing charged and one seal.
create or replace function ledger_private.usage_of(
  p_spend jsonb,
  p_token_charge text,
  p_budget jsonb default null
)
returns ledger_private.usage
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.usage;
begin
  v.iterations := coalesce(ledger_private.amount(p_spend -> 'iterations'), 0);
  v.input_tokens := coalesce(ledger_private.amount(p_spend -> 'input_tokens'), 0);
  v.output_tokens := coalesce(ledger_private.amount(p_spend -> 'output_tokens'), 0);
  v.cache_read_tokens := coalesce(ledger_private.amount(p_spend -> 'cache_read_tokens'), 0);
  v.cache_write_tokens := coalesce(ledger_private.amount(p_spend -> 'cache_write_tokens'), 0);
  v.cache_write_1h_tokens := coalesce(ledger_private.amount(p_spend -> 'cache_write_1h_tokens'), 0);
  v.reasoning_tokens := coalesce(ledger_private.amount(p_spend -> 'reasoning_tokens'), 0);
  v.charged_tokens := v.input_tokens + v.output_tokens - case p_token_charge when 'uncached' then v.cache_read_tokens else 0 end;
  v.ms := coalesce(ledger_private.amount(p_spend -> 'ms'), 0);
  v.usd := ledger_private.amount(p_spend -> 'usd');
  v.uncertain_tokens := 0;
  v.uncertain_iterations := 0;
  v.uncertain_usd := 0;
  v.tokens_known := coalesce((p_spend -> 'tokens_known')::boolean, true);
  v.usd_known := coalesce((p_spend -> 'usd_known')::boolean, true);
  v.resources := nullif(p_spend -> 'resources', '{}');
  v.tokens_unknown := case when v.tokens_known then 0 else 1 end;
  v.iterations_unknown := 0;
  v.usd_unknown := case when v.usd_known then 0 else 1 end;
  v.usd_seals := 0;
  if not v.usd_known then
    v.usd := coalesce(v.usd, ledger_private.amount(p_budget -> 'usd'));
    v.uncertain_usd := coalesce(v.usd, 0);
    v.usd_seals := case when v.usd is null then 1 else 0 end;
  end if;
  return v;
end;
$$;
--! EndIncluded rules/usage_of.sql
--! Included rules/usage_diff.sql
-- What must be added to the usage booked so far so that it becomes the true one: the usage of a `corrected` row. Its flags are the true ones.
create or replace function ledger_private.usage_diff(
  p_true ledger_private.usage,
  p_booked ledger_private.usage
)
returns ledger_private.usage
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.usage := p_true;
begin
  v.iterations := p_true.iterations - p_booked.iterations;
  v.input_tokens := p_true.input_tokens - p_booked.input_tokens;
  v.output_tokens := p_true.output_tokens - p_booked.output_tokens;
  v.cache_read_tokens := p_true.cache_read_tokens - p_booked.cache_read_tokens;
  v.cache_write_tokens := p_true.cache_write_tokens - p_booked.cache_write_tokens;
  v.cache_write_1h_tokens := p_true.cache_write_1h_tokens - p_booked.cache_write_1h_tokens;
  v.reasoning_tokens := p_true.reasoning_tokens - p_booked.reasoning_tokens;
  v.charged_tokens := p_true.charged_tokens - p_booked.charged_tokens;
  v.usd := coalesce(p_true.usd, 0) - coalesce(p_booked.usd, 0);
  v.ms := p_true.ms - p_booked.ms;
  v.uncertain_tokens := p_true.uncertain_tokens - p_booked.uncertain_tokens;
  v.uncertain_iterations := p_true.uncertain_iterations - p_booked.uncertain_iterations;
  v.uncertain_usd := p_true.uncertain_usd - p_booked.uncertain_usd;
  v.tokens_unknown := p_true.tokens_unknown - p_booked.tokens_unknown;
  v.iterations_unknown := p_true.iterations_unknown - p_booked.iterations_unknown;
  v.usd_unknown := p_true.usd_unknown - p_booked.usd_unknown;
  v.usd_seals := p_true.usd_seals - p_booked.usd_seals;
  v.resources := ledger_private.resources_sum(p_true.resources, p_booked.resources, -1);
  return v;
end;
$$;
--! EndIncluded rules/usage_diff.sql
--! Included rules/usage_in.sql
-- The usage a journal row carries; what it left out as nothing is 0 again (usd stays null where it is unknown).
create or replace function ledger_private.usage_in(p_event ledger_private.journal)
returns ledger_private.usage
language sql
immutable
parallel safe
return row(
  coalesce(p_event.iterations, 0), coalesce(p_event.input_tokens, 0), coalesce(p_event.output_tokens, 0),
  coalesce(p_event.cache_read_tokens, 0), coalesce(p_event.cache_write_tokens, 0), coalesce(p_event.reasoning_tokens, 0),
  coalesce(p_event.charged_tokens, 0), p_event.usd, coalesce(p_event.ms, 0),
  coalesce(p_event.uncertain_tokens, 0), coalesce(p_event.uncertain_iterations, 0), coalesce(p_event.uncertain_usd, 0),
  p_event.tokens_known, p_event.usd_known, p_event.resources,
  coalesce(p_event.tokens_unknown, 0), coalesce(p_event.iterations_unknown, 0), coalesce(p_event.usd_unknown, 0), coalesce(p_event.usd_seals, 0),
  coalesce(p_event.cache_write_1h_tokens, 0)
)::ledger_private.usage;
--! EndIncluded rules/usage_in.sql
--! Included rules/spend_json.sql
-- A usage as answers show it (result.spend): amounts as text, usd null where dollars are unknown and nothing was charged for them; one-hour
-- cache writes are shown where there are some.
create or replace function ledger_private.spend_json(p_usage ledger_private.usage)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return case when p_usage.cache_write_1h_tokens > 0 then
    jsonb_build_object('cache_write_1h_tokens', ledger_private.text_of(p_usage.cache_write_1h_tokens)) else '{}'
  end || jsonb_build_object(
    'iterations', ledger_private.text_of(p_usage.iterations),
    'input_tokens', ledger_private.text_of(p_usage.input_tokens),
    'output_tokens', ledger_private.text_of(p_usage.output_tokens),
    'cache_read_tokens', ledger_private.text_of(p_usage.cache_read_tokens),
    'cache_write_tokens', ledger_private.text_of(p_usage.cache_write_tokens),
    'reasoning_tokens', ledger_private.text_of(p_usage.reasoning_tokens),
    'charged_tokens', ledger_private.text_of(p_usage.charged_tokens),
    'usd', ledger_private.text_of(p_usage.usd),
    'ms', ledger_private.text_of(p_usage.ms),
    'tokens_known', p_usage.tokens_known,
    'usd_known', p_usage.usd_known,
    'resources', coalesce(
      (
        select jsonb_object_agg(r.key, jsonb_build_object('amount', ledger_private.text_of(ledger_private.amount(r.value -> 'amount'))))
        from jsonb_each(p_usage.resources) r
      ),
      '{}'
    )
  );
end;
$$;
--! EndIncluded rules/spend_json.sql
--! Included rules/with_usage.sql
-- A journal row with the usage of its event written in.
create or replace function ledger_private.with_usage(
  p_event ledger_private.journal,
  p_usage ledger_private.usage
)
returns ledger_private.journal
language plpgsql
immutable
parallel safe
as $$
begin
  p_event.iterations := p_usage.iterations;
  p_event.input_tokens := p_usage.input_tokens;
  p_event.output_tokens := p_usage.output_tokens;
  p_event.cache_read_tokens := nullif(p_usage.cache_read_tokens, 0);
  p_event.cache_write_tokens := nullif(p_usage.cache_write_tokens, 0);
  p_event.cache_write_1h_tokens := nullif(p_usage.cache_write_1h_tokens, 0);
  p_event.reasoning_tokens := nullif(p_usage.reasoning_tokens, 0);
  p_event.charged_tokens := p_usage.charged_tokens;
  p_event.usd := p_usage.usd;
  p_event.ms := nullif(p_usage.ms, 0);
  p_event.uncertain_tokens := nullif(p_usage.uncertain_tokens, 0);
  p_event.uncertain_iterations := nullif(p_usage.uncertain_iterations, 0);
  p_event.uncertain_usd := nullif(p_usage.uncertain_usd, 0);
  p_event.tokens_known := p_usage.tokens_known;
  p_event.usd_known := p_usage.usd_known;
  p_event.resources := p_usage.resources;
  return p_event;
end;
$$;
--! EndIncluded rules/with_usage.sql
--! Included rules/prices_in.sql
-- The rows of a well-formed price book, in the order they were sent: names in lower case, `exact` and `always` filled in.
create or replace function ledger_private.prices_in(
  p_tenant_id text,
  p_book text,
  p_prices jsonb
)
returns ledger_private.prices[]
language plpgsql
immutable
parallel safe
as $$
begin
  return array(
    select row(
      p_tenant_id, p_book, lower((e.price ->> 'provider') collate "C"), coalesce(e.price ->> 'match', 'exact'),
      lower((e.price ->> 'model') collate "C"), e.price ->> 'token_class',
      coalesce(ledger_private.amount(e.price -> 'above_input_tokens'), 0),
      coalesce(f.instant, '-infinity'), coalesce(t.instant, 'infinity'),
      ledger_private.amount(e.price -> 'usd_per_million'), e.price ->> 'source'
    )::ledger_private.prices
    from jsonb_array_elements(p_prices) with ordinality e (price, n)
    left join ledger_private.instants_in(p_prices) f on f.text = e.price ->> 'valid_from'
    left join ledger_private.instants_in(p_prices) t on t.text = e.price ->> 'valid_to'
    order by e.n
  );
end;
$$;
--! EndIncluded rules/prices_in.sql
--! Included rules/misfit_of_prices.sql
-- What well-formed prices still get wrong, by their place in the list: {path, rule} or null. A price holds for some time, and nothing has two.
create or replace function ledger_private.misfit_of_prices(p_prices ledger_private.prices[])
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return (
    select case
      when b.empty then jsonb_build_object('path', format('p_prices.%s.valid_to', b.place - 1), 'rule', 'must be after valid_from')
      else jsonb_build_object('path', format('p_prices.%s.model', b.place - 1), 'rule', format(
        'is priced twice: %s has the same provider, match, model, token_class, above_input_tokens and valid_from', b.first - 1
      ))
    end
    from (
      select p.ordinality as place, p.valid_from >= p.valid_to as empty, min(p.ordinality) over (
        partition by p.provider, p.match, p.model, p.token_class, p.above_input_tokens, p.valid_from
      ) as first
      from unnest(p_prices) with ordinality p
    ) b
    where b.empty or b.first < b.place
    order by b.place
    limit 1
  );
end;
$$;
--! EndIncluded rules/misfit_of_prices.sql
--! Included rules/digest_of_prices.sql
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
--! EndIncluded rules/digest_of_prices.sql
--! Included triggers/prices__immutable.sql
-- A price book stays as it was written: no update, delete or truncate, also for the owner. What was priced from it can be priced again.
create or replace function ledger_private.tg_prices__immutable()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'restrict_violation',
    constraint = 'prices_immutable',
    table = tg_table_name,
    schema = tg_table_schema,
    message = format('a price book never changes: %s is not allowed', lower(tg_op)),
    hint = 'ledger.put_prices writes another book, ledger.use_prices chooses it';
end;
$$;

create or replace trigger prices_immutable
before update or delete on ledger_private.prices
for each row execute function ledger_private.tg_prices__immutable();

create or replace trigger prices_no_truncate
before truncate on ledger_private.prices
for each statement execute function ledger_private.tg_prices__immutable();

create or replace trigger price_books_immutable
before update or delete on ledger_private.price_books
for each row execute function ledger_private.tg_prices__immutable();

create or replace trigger price_books_no_truncate
before truncate on ledger_private.price_books
for each statement execute function ledger_private.tg_prices__immutable();
--! EndIncluded triggers/prices__immutable.sql
--! Included views/prices.sql
-- The prices of every book, in dollars per million tokens (of `request`: per million calls). How a model finds its prices: ledger.rates_of.
create or replace view ledger.prices
with (security_invoker = true)
as
select
  p.tenant_id, p.book, p.provider, p.match, p.model, p.token_class, p.above_input_tokens,
  nullif(p.valid_from, '-infinity') as valid_from, nullif(p.valid_to, 'infinity') as valid_to,
  trim_scale(p.usd_per_million) as usd_per_million, p.source
from ledger_private.prices p;
comment on view ledger.prices is 'Price per provider, model, token class, size of the call and time.';
comment on column ledger.prices.valid_from is 'null: since ever';
comment on column ledger.prices.valid_to is 'null: until further notice';
comment on column ledger.prices.source is 'null: not stated';
revoke all on ledger.prices from public;
grant select on ledger.prices to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/prices.sql
--! Included functions/rates_of.sql
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
--! EndIncluded functions/rates_of.sql
--! Included functions/price_of.sql
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
--! EndIncluded functions/price_of.sql
--! Included rules/needs_price.sql
-- Whether an operation states a spend whose dollars are unknown and could be worked out from a price: its tokens are known.
create or replace function ledger_private.needs_price(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return coalesce(
  p_operation #> '{spend,usd_known}' = 'false' and not p_operation -> 'spend' ? 'usd'
    and coalesce(p_operation #> '{spend,tokens_known}', 'true') = 'true',
  false
);
--! EndIncluded rules/needs_price.sql
--! Included rules/with_estimate.sql
-- A spend or usage line with dollars worked out from a rate card: usd, an estimate (usd_known stays false); 0 of a free model is known. Null where
-- the card cannot tell. p_operation names the provider and the model where p_spend does not.
create or replace function ledger_private.with_estimate(
  p_spend jsonb,
  p_operation jsonb,
  p_card jsonb,
  p_at timestamptz
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_rates constant jsonb := nullif(p_card -> 'rates'
    -> coalesce(p_spend ->> 'provider', p_operation ->> 'provider') -> coalesce(p_spend ->> 'model', p_operation ->> 'model'), 'null');
  v_usage ledger_private.usage;
  v_price record;
begin
  if v_rates is null or p_spend -> 'tokens_known' = 'false' then
    return null;
  end if;
  v_usage := ledger_private.usage_of(p_spend, 'total');
  select * into v_price from ledger.price_of(
    v_rates, p_at, v_usage.input_tokens, v_usage.output_tokens, v_usage.cache_read_tokens, v_usage.cache_write_tokens,
    v_usage.cache_write_1h_tokens, v_usage.reasoning_tokens
  );
  if v_price.p_usd is null then
    return null;
  end if;
  return p_spend || jsonb_build_object('usd', v_price.p_usd, 'usd_known', v_price.p_free);
end;
$$;
--! EndIncluded rules/with_estimate.sql
--! Included rules/priced.sql
-- An operation with what its spend is estimated to cost (ledger_private.rate_card), as of p_at; the book goes along as price_book, a key no caller
-- can send, and from there into journal.detail. Lines are priced each by itself, and only when all that state no dollars can be; then the spend is
-- their sum. Unchanged where nothing is to be priced, or something cannot be.
create or replace function ledger_private.priced(
  p_operation jsonb,
  p_card jsonb,
  p_at timestamptz
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_spend jsonb := p_operation -> 'spend';
  v_lines jsonb := '[]';
  v_line jsonb;
  v_usd numeric := 0;
  v_known boolean := true;
begin
  if p_card is null or not ledger_private.needs_price(p_operation) then
    return p_operation;
  elsif not p_operation ? 'lines' then
    v_spend := ledger_private.with_estimate(v_spend, p_operation, p_card, p_at);
    if v_spend is null then
      return p_operation;
    end if;
    return p_operation || jsonb_build_object('spend', v_spend, 'price_book', p_card -> 'book');
  end if;
  for v_line in select e.line from jsonb_array_elements(p_operation -> 'lines') with ordinality e (line, n) order by e.n loop
    if not v_line ? 'usd' then
      v_line := ledger_private.with_estimate(v_line, p_operation, p_card, p_at);
      if v_line is null then
        return p_operation;
      end if;
    end if;
    v_lines := v_lines || jsonb_build_array(v_line);
    v_usd := v_usd + ledger_private.amount(v_line -> 'usd');
    v_known := v_known and coalesce((v_line -> 'usd_known')::boolean, true);
  end loop;
  if v_usd >= 1e15 then
    return p_operation;
  end if;
  return p_operation || jsonb_build_object(
    'lines', v_lines, 'spend', v_spend || jsonb_build_object('usd', v_usd, 'usd_known', v_known), 'price_book', p_card -> 'book'
  );
end;
$$;
--! EndIncluded rules/priced.sql
--! Included private/rate_card.sql
-- What operations can be priced from: {book, rates: {provider: {model: rates}}} of the tenant's current book, for the models that operations with
-- dollars to be worked out name (ledger_private.needs_price). Null where none needs a price, which costs no query, and where there is no book.
create or replace function ledger_private.rate_card(p_tenant_id text, p_operations jsonb[])
returns jsonb
language plpgsql
stable
as $$
declare
  v_needed boolean := false;
  v_operation jsonb;
  v_book text;
  v_line jsonb;
  v_provider text;
  v_model text;
  v_rates jsonb := '{}';
begin
  foreach v_operation in array p_operations loop
    v_needed := v_needed or ledger_private.needs_price(v_operation);
  end loop;
  if not v_needed then
    return null;
  end if;
  select t.price_book into v_book from ledger_private.tenants t where t.tenant_id = p_tenant_id;
  if v_book is null then
    return null;
  end if;
  foreach v_operation in array p_operations loop
    continue when not ledger_private.needs_price(v_operation);
    for v_line in select e.line from jsonb_array_elements(coalesce(v_operation -> 'lines', '[{}]')) e (line) loop
      v_provider := coalesce(v_line ->> 'provider', v_operation ->> 'provider');
      v_model := coalesce(v_line ->> 'model', v_operation ->> 'model');
      if v_provider is not null and v_model is not null and not coalesce(v_rates -> v_provider ? v_model, false) then
        v_rates := v_rates || jsonb_build_object(v_provider, coalesce(v_rates -> v_provider, '{}') || jsonb_build_object(
          v_model, ledger.rates_of(p_tenant_id, v_book, v_provider, v_model)
        ));
      end if;
    end loop;
  end loop;
  return jsonb_build_object('book', v_book, 'rates', v_rates);
end;
$$;
--! EndIncluded private/rate_card.sql
--! Included rules/detail_of.sql
-- The detail of an operation's journal row: what the caller gave, and the book its spend was priced from (ledger_private.priced). What is no object
-- stands under `detail` then.
create or replace function ledger_private.detail_of(p_operation jsonb)
returns jsonb
language sql
immutable
parallel safe
return case
  when not p_operation ? 'price_book' then p_operation -> 'detail'
  else jsonb_build_object('price_book', p_operation -> 'price_book') || case
    when jsonb_typeof(p_operation -> 'detail') = 'object' then p_operation -> 'detail'
    when p_operation ? 'detail' then jsonb_build_object('detail', p_operation -> 'detail')
    else '{}'
  end
end;
--! EndIncluded rules/detail_of.sql
--! Included private/event.sql
-- A journal row as the operation that causes it describes it, with the book it was priced from; usage, moves and seq are filled in later.
create or replace function ledger_private.event(
  p_pool ledger_private.pools,
  p_kind text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.journal
language plpgsql
stable
as $$
declare
  v ledger_private.journal;
begin
  v.tenant_id := p_pool.tenant_id;
  v.pool_id := p_pool.pool_id;
  v.run_id := p_pool.run_id;
  v.kind := p_kind;
  v.operation_id := p_operation ->> 'operation_id';
  v.recorded_at := p_at;
  v.recorded_by := session_user;
  v.effective_at := coalesce(ledger_private.instant(p_operation ->> 'effective_at'), p_at);
  v.provider := p_operation ->> 'provider';
  v.model := p_operation ->> 'model';
  v.provider_request_id := p_operation ->> 'provider_request_id';
  v.purpose := p_operation ->> 'purpose';
  v.reason := p_operation ->> 'reason';
  v.detail := ledger_private.detail_of(p_operation);
  v.tags := ledger_private.tags_of(p_pool.tags, p_operation -> 'tags');
  return v;
end;
$$;
--! EndIncluded private/event.sql
--! Included private/metered_event.sql
-- The journal row of a metered turn: spend of the node that owns the pool.
create or replace function ledger_private.metered_event(
  p_pool ledger_private.pools,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.journal
language plpgsql
stable
as $$
declare
  v ledger_private.journal := ledger_private.event(p_pool, 'metered', p_operation, p_at);
begin
  v.node_id := p_pool.pool_id;
  v.turn := (p_operation -> 'turn')::integer;
  v.tool_calls := p_operation -> 'tool_calls';
  return v;
end;
$$;
--! EndIncluded private/metered_event.sql
--! Included private/insert_lines.sql
-- Writes the usage lines of an operation under its journal row.
create or replace function ledger_private.insert_lines(
  p_pool ledger_private.pools,
  p_seq bigint,
  p_operation jsonb
)
returns void
language plpgsql
as $$
begin
  if not p_operation ? 'lines' then
    return;
  end if;
  insert into ledger_private.usage_lines (
    tenant_id, pool_id, seq, line, provider, model, provider_request_id, iterations, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, reasoning_tokens, charged_tokens, usd, ms, uncertain_usd, tokens_known, usd_known, resources,
    cache_write_1h_tokens
  )
  select
    p_pool.tenant_id, p_pool.pool_id, p_seq, l.position - 1,
    coalesce(l.line ->> 'provider', p_operation ->> 'provider'), coalesce(l.line ->> 'model', p_operation ->> 'model'),
    coalesce(l.line ->> 'provider_request_id', p_operation ->> 'provider_request_id'),
    u.iterations, u.input_tokens, u.output_tokens, u.cache_read_tokens, u.cache_write_tokens, u.reasoning_tokens, u.charged_tokens,
    u.usd, u.ms, u.uncertain_usd, u.tokens_known, u.usd_known, u.resources,
    u.cache_write_1h_tokens
  from jsonb_array_elements(p_operation -> 'lines') with ordinality l (line, position)
  cross join lateral ledger_private.usage_of(l.line, p_pool.token_charge) u;
end;
$$;
--! EndIncluded private/insert_lines.sql
--! Included private/booked_usage.sql
-- What is booked now for an event: its row and the corrections of it added up. Flags are those of the last one.
create or replace function ledger_private.booked_usage(p_event ledger_private.journal)
returns ledger_private.usage
language plpgsql
stable
as $$
declare
  v ledger_private.usage := ledger_private.usage_in(p_event);
  v_more ledger_private.usage;
begin
  if not exists (
    select from ledger_private.journal j
    where j.tenant_id = p_event.tenant_id and j.pool_id = p_event.pool_id and j.corrects_seq = p_event.seq
  ) then
    return v;
  end if;
  select
    sum(j.iterations), sum(j.input_tokens), sum(j.output_tokens), coalesce(sum(j.cache_read_tokens), 0), coalesce(sum(j.cache_write_tokens), 0),
    coalesce(sum(j.reasoning_tokens), 0), sum(j.charged_tokens), sum(j.usd), coalesce(sum(j.ms), 0), coalesce(sum(j.uncertain_tokens), 0),
    coalesce(sum(j.uncertain_iterations), 0), coalesce(sum(j.uncertain_usd), 0),
    (array_agg(j.tokens_known order by j.seq desc))[1], (array_agg(j.usd_known order by j.seq desc))[1], null,
    coalesce(sum(j.tokens_unknown), 0), coalesce(sum(j.iterations_unknown), 0), coalesce(sum(j.usd_unknown), 0), coalesce(sum(j.usd_seals), 0),
    coalesce(sum(j.cache_write_1h_tokens), 0)
  into v_more
  from ledger_private.journal j
  where j.tenant_id = p_event.tenant_id and j.pool_id = p_event.pool_id and j.corrects_seq = p_event.seq;

  return row(
    v.iterations + v_more.iterations, v.input_tokens + v_more.input_tokens, v.output_tokens + v_more.output_tokens,
    v.cache_read_tokens + v_more.cache_read_tokens, v.cache_write_tokens + v_more.cache_write_tokens,
    v.reasoning_tokens + v_more.reasoning_tokens, v.charged_tokens + v_more.charged_tokens, coalesce(v.usd, 0) + coalesce(v_more.usd, 0),
    v.ms + v_more.ms, v.uncertain_tokens + v_more.uncertain_tokens, v.uncertain_iterations + v_more.uncertain_iterations,
    v.uncertain_usd + v_more.uncertain_usd, v_more.tokens_known, v_more.usd_known, ledger_private.booked_resources(p_event),
    v.tokens_unknown + v_more.tokens_unknown, v.iterations_unknown + v_more.iterations_unknown, v.usd_unknown + v_more.usd_unknown,
    v.usd_seals + v_more.usd_seals, v.cache_write_1h_tokens + v_more.cache_write_1h_tokens
  )::ledger_private.usage;
end;
$$;
--! EndIncluded private/booked_usage.sql
--! Included private/lines_kept.sql
-- The usage lines kept for an event and its corrections.
create or replace function ledger_private.lines_kept(p_event ledger_private.journal)
returns table (
  provider text,
  model text,
  request text,
  line ledger_private.usage
)
language plpgsql
stable
as $$
begin
  return query
    select
      l.provider, l.model, l.provider_request_id,
      row(
        l.iterations, l.input_tokens, l.output_tokens, l.cache_read_tokens, l.cache_write_tokens, l.reasoning_tokens, l.charged_tokens,
        l.usd, l.ms, 0, 0, l.uncertain_usd, l.tokens_known, l.usd_known, l.resources, 0, 0, 0, 0,
        l.cache_write_1h_tokens
      )::ledger_private.usage
    from (
      select p_event.seq
      union all
      select j.seq from ledger_private.journal j
      where j.tenant_id = p_event.tenant_id and j.pool_id = p_event.pool_id and j.corrects_seq = p_event.seq
    ) e
    cross join lateral (
      select k.* from ledger_private.usage_lines k
      where k.tenant_id = p_event.tenant_id and k.pool_id = p_event.pool_id and k.seq = e.seq
      offset 0
    ) l;
end;
$$;
--! EndIncluded private/lines_kept.sql
--! Included private/correct_lines.sql
-- Writes the usage lines of a correction: what must be added to the lines kept so far for the event and its corrections (p_booked) so that they
-- become the true ones, by provider, model and request, also dollars first stated as 0; nothing where the operation states none. What lines
-- leave unexplained the view ledger.usage_lines shows as one more row under the event's own provider and model, so that all sums come out true.
create or replace function ledger_private.correct_lines(
  p_pool ledger_private.pools,
  p_booked ledger_private.journal,
  p_seq bigint,
  p_operation jsonb
)
returns void
language plpgsql
as $$
begin
  if not p_operation ? 'lines' then
    return;
  end if;
  insert into ledger_private.usage_lines (
    tenant_id, pool_id, seq, line, provider, model, provider_request_id, iterations, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, reasoning_tokens, charged_tokens, usd, ms, uncertain_usd, tokens_known, usd_known, resources, correction,
    cache_write_1h_tokens
  )
  with deltas as (
    select 1 as sign, l.place, k.provider, k.model, k.request, u as line
    from jsonb_array_elements(p_operation -> 'lines') with ordinality l (line, place)
    cross join lateral (
      select
        coalesce(l.line ->> 'provider', p_operation ->> 'provider', p_booked.provider) as provider,
        coalesce(l.line ->> 'model', p_operation ->> 'model', p_booked.model) as model,
        coalesce(l.line ->> 'provider_request_id', p_operation ->> 'provider_request_id', p_booked.provider_request_id) as request
    ) k
    cross join lateral ledger_private.usage_of(l.line, p_pool.token_charge) u
    union all
    select -1, null, k.provider, k.model, k.request, k.line from ledger_private.lines_kept(p_booked) k
  ),
  sums as (
    select
      d.provider, d.model, d.request, min(d.place) as place, sum(d.sign * (d.line).iterations) as iterations,
      sum(d.sign * (d.line).input_tokens) as input_tokens, sum(d.sign * (d.line).output_tokens) as output_tokens,
      sum(d.sign * (d.line).cache_read_tokens) as cache_read_tokens, sum(d.sign * (d.line).cache_write_tokens) as cache_write_tokens,
      sum(d.sign * (d.line).cache_write_1h_tokens) as cache_write_1h_tokens,
      sum(d.sign * (d.line).reasoning_tokens) as reasoning_tokens, sum(d.sign * (d.line).charged_tokens) as charged_tokens,
      sum(d.sign * (d.line).usd) as usd, sum(d.sign * (d.line).ms) as ms, sum(d.sign * (d.line).uncertain_usd) as uncertain_usd,
      coalesce(bool_and((d.line).tokens_known) filter (where d.sign > 0), true) as tokens_known,
      coalesce(bool_and((d.line).usd_known) filter (where d.sign > 0), true) as usd_known,
      bool_or(d.sign > 0 and (d.line).usd is not null) and bool_or(d.sign < 0 and (d.line).usd is null) as states_dollars
    from deltas d
    group by d.provider, d.model, d.request
  )
  select
    p_pool.tenant_id, p_pool.pool_id, p_seq, row_number() over (order by s.place, s.provider, s.model, s.request) - 1,
    s.provider, s.model, s.request, s.iterations, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens,
    s.reasoning_tokens, s.charged_tokens, s.usd, s.ms, s.uncertain_usd, s.tokens_known, s.usd_known, r.resources, true,
    s.cache_write_1h_tokens
  from sums s
  cross join lateral (
    select jsonb_object_agg(n.name, jsonb_build_object('amount', n.amount)) as resources
    from (
      select e.key as name, sum(d.sign * ledger_private.amount(e.value -> 'amount')) as amount
      from deltas d
      cross join lateral jsonb_each((d.line).resources) e
      where (d.provider, d.model, d.request) is not distinct from (s.provider, s.model, s.request)
      group by e.key
    ) n
    where n.amount <> 0
  ) r
  where r.resources is not null or s.states_dollars
    or greatest(abs(s.iterations), abs(s.input_tokens), abs(s.output_tokens), abs(s.cache_read_tokens), abs(s.cache_write_tokens),
      abs(s.cache_write_1h_tokens), abs(s.reasoning_tokens), abs(s.charged_tokens), abs(s.usd), abs(s.ms), abs(s.uncertain_usd)) > 0;
end;
$$;
--! EndIncluded private/correct_lines.sql
--! Included private/pool_usage.sql
-- Everything a pool's journal has booked as usage: own inference, leaves, and the totals of drivers settled in it. `drawn` rows are balance
-- only. Known where no event of unknown usage is uncorrected in the pool.
create or replace function ledger_private.pool_usage(p_tenant_id text, p_pool_id text)
returns ledger_private.usage
language plpgsql
stable
as $$
declare
  v ledger_private.usage;
begin
  select
    coalesce(sum(j.iterations), 0), coalesce(sum(j.input_tokens), 0), coalesce(sum(j.output_tokens), 0), coalesce(sum(j.cache_read_tokens), 0),
    coalesce(sum(j.cache_write_tokens), 0), coalesce(sum(j.reasoning_tokens), 0), coalesce(sum(j.charged_tokens), 0), coalesce(sum(j.usd), 0),
    coalesce(sum(j.ms), 0), coalesce(sum(j.uncertain_tokens), 0), coalesce(sum(j.uncertain_iterations), 0), coalesce(sum(j.uncertain_usd), 0),
    coalesce(sum(j.cache_write_1h_tokens), 0)
  into
    v.iterations, v.input_tokens, v.output_tokens, v.cache_read_tokens, v.cache_write_tokens, v.reasoning_tokens, v.charged_tokens, v.usd,
    v.ms, v.uncertain_tokens, v.uncertain_iterations, v.uncertain_usd, v.cache_write_1h_tokens
  from ledger_private.journal j
  where j.tenant_id = p_tenant_id and j.pool_id = p_pool_id and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected');

  select
    jsonb_object_agg(c.channel, jsonb_strip_nulls(jsonb_build_object(
      'amount', trim_scale(c.committed), 'uncertain', nullif(trim_scale(c.uncertain), 0)
    )))
      filter (where c.channel not in ('tokens', 'iterations', 'usd') and c.committed > 0),
    bool_and(c.unknown = 0) filter (where c.channel = 'tokens'),
    bool_and(c.unknown = 0) filter (where c.channel = 'usd')
  into v.resources, v.tokens_known, v.usd_known
  from ledger_private.channels c
  where c.tenant_id = p_tenant_id and c.pool_id = p_pool_id;
  v.tokens_unknown := 0;
  v.iterations_unknown := 0;
  v.usd_unknown := 0;
  v.usd_seals := 0;
  return v;
end;
$$;
--! EndIncluded private/pool_usage.sql
--! Included private/as_called.sql
-- An event with the call it was: an expiry names none, so provider, model, request, purpose and time are those of the late settlement that made it
-- true. So what is corrected again is priced and attributed as what was settled.
create or replace function ledger_private.as_called(p_event ledger_private.journal)
returns ledger_private.journal
language plpgsql
stable
as $$
declare
  v_event ledger_private.journal := p_event;
  v_late ledger_private.journal;
begin
  if v_event.kind <> 'expired' then
    return v_event;
  end if;
  select j.* into v_late from ledger_private.journal j
  where j.tenant_id = v_event.tenant_id and j.pool_id = v_event.pool_id and j.corrects_seq = v_event.seq and j.outcome is not null
  limit 1;
  if v_late.seq is not null then
    v_event.provider := v_late.provider;
    v_event.model := v_late.model;
    v_event.provider_request_id := v_late.provider_request_id;
    v_event.purpose := v_late.purpose;
    v_event.effective_at := v_late.effective_at;
  end if;
  return v_event;
end;
$$;
--! EndIncluded private/as_called.sql
--! Included operations/correct.sql
-- correct: the true spend of an event, named by the operation that booked it (always the first one). The difference is booked, what was
-- uncertain is released, and it goes up through closed pools. lines: the whole truth per line, of which the difference is kept; tool_calls:
-- names seen only now. Unknown dollars are priced as of the event that is corrected, by its provider and model.
-- Errors: LG001 (`of` booked no single spend of its own).
create or replace function ledger_private.op_correct(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_event ledger_private.journal;
  v_pool ledger_private.pools;
  v_budget jsonb;
  v_operation jsonb;
  v_correction ledger_private.journal;
  v_seq bigint;
begin
  v_event := ledger_private.event_booked_by(p_tenant_id, p_operation ->> 'of');
  if v_event.seq is null then
    return ledger_private.failed(
      'LG001', 'of', 'must be an operation that booked a spend of its own, of one node, and is still kept; not a correction'
    );
  end if;
  v_event := ledger_private.as_called(v_event);
  v_pool := ledger_private.find_pool(p_tenant_id, v_event.pool_id);
  if v_event.kind <> 'metered' then
    v_budget := (ledger_private.find_node(p_tenant_id, v_event.node_id)).budget;
  end if;
  v_operation := jsonb_strip_nulls(jsonb_build_object('provider', v_event.provider, 'model', v_event.model)) || p_operation;
  v_operation := ledger_private.priced(v_operation, ledger_private.rate_card(p_tenant_id, array[v_operation]), v_event.effective_at);
  v_correction := ledger_private.event(v_pool, 'corrected', v_operation, p_at);
  v_correction.tool_calls := p_operation -> 'tool_calls';
  v_seq := ledger_private.correct_event(
    v_pool, v_event, ledger_private.usage_of(v_operation -> 'spend', v_pool.token_charge, v_budget), v_correction
  );
  perform ledger_private.correct_lines(v_pool, v_event, v_seq, v_operation);
  return ledger_private.ok(v_pool.pool_id, v_seq);
end;
$$;
--! EndIncluded operations/correct.sql
--! Included private/perform.sql
-- One operation, the plain way: its rules, its price where it needs one, then few statements by key. Writes nothing where the answer is refused
-- or an error (a spawn's refusal may still have taken back lapsed room). Idempotency is the caller's business (ledger_private.apply_batch).
create or replace function ledger_private.perform(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_misfit constant jsonb := ledger_private.misfit_of_operation(p_operation, p_at);
  v_operation jsonb := p_operation;
begin
  if v_misfit is not null then
    return row('error', 'LG001', v_misfit, null, null)::ledger_private.answer;
  end if;
  if p_operation ->> 'op' in ('meter', 'settle', 'cancel') then
    v_operation := ledger_private.priced(
      p_operation, ledger_private.rate_card(p_tenant_id, array[p_operation]), coalesce(ledger_private.instant(p_operation ->> 'effective_at'), p_at)
    );
  end if;
  case p_operation ->> 'op'
    when 'meter' then return ledger_private.op_meter(p_tenant_id, v_operation, p_at);
    when 'spawn' then return ledger_private.op_spawn(p_tenant_id, p_operation, p_at);
    when 'settle' then return ledger_private.op_settle(p_tenant_id, v_operation, p_at);
    when 'dispatch' then return ledger_private.op_dispatch(p_tenant_id, p_operation, p_at);
    when 'extend' then return ledger_private.op_extend(p_tenant_id, p_operation, p_at);
    when 'cancel' then return ledger_private.op_cancel(p_tenant_id, v_operation, p_at);
    when 'deliver' then return ledger_private.op_deliver(p_tenant_id, p_operation, p_at);
    when 'open_pool' then return ledger_private.op_open_pool(p_tenant_id, p_operation, p_at);
    when 'close_pool' then return ledger_private.op_close_pool(p_tenant_id, p_operation, p_at);
    when 'correct' then return ledger_private.op_correct(p_tenant_id, p_operation, p_at);
    when 'fund' then return ledger_private.op_fund(p_tenant_id, p_operation, p_at);
    when 'expire' then return ledger_private.op_expire(p_tenant_id, p_operation, p_at);
    when 'freeze', 'thaw' then return ledger_private.op_freeze(p_tenant_id, p_operation, p_at);
    when 'judge' then return ledger_private.op_judge(p_tenant_id, p_operation, p_at);
    when 'plan' then return ledger_private.op_plan(p_tenant_id, p_operation, p_at);
  end case;
end;
$$;
--! EndIncluded private/perform.sql
--! Included private/fold.sql
-- A run of common operations at once: what they need is loaded, balances are folded in variables by the same rules the plain path uses, and
-- each row is written once. It goes as far as everything is as it expects: at the first operation that is malformed, refused, late, or names
-- what is not there, it stops, and the plain path decides. Returns the answers so far, in order; the caller goes on behind them.
-- Drawn channels, sealed rows and new nodes are folded too; pools that are closed and channels that do not exist yet are not.
create or replace function ledger_private.fold(
  p_tenant_id text,
  p_operations jsonb[],
  p_at timestamptz
)
returns ledger_private.answer[]
language plpgsql
as $$
declare
  v_answers ledger_private.answer[] := '{}';
  v_pools ledger_private.pools[];
  v_heads ledger_private.pool_heads[];
  v_rows ledger_private.channels[];
  v_events ledger_private.journal[] := '{}';
  v_nodes ledger_private.nodes[];
  v_loaded integer;
  v_pool_ids text[];
  v_node_ids text[];
  v_open boolean[];        -- by pool: does it take children now
  v_first integer[] := '{}'; -- by pool: its rows in v_rows
  v_last integer[] := '{}';
  v_made integer[] := '{}';  -- by new node: position of its spawn
  v_card constant jsonb := ledger_private.rate_card(p_tenant_id, p_operations);
  v_op jsonb;
  v_kind text;
  v_pool integer;
  v_node integer;
  v_new ledger_private.nodes;
  v_event ledger_private.journal;
  v_drawn ledger_private.journal;
  v_usage ledger_private.usage;
  v_moves ledger_private.move[];
  v_move ledger_private.move;
  v_slice ledger_private.channels[];
  v_payers ledger_private.channels[];
  v_before ledger_private.channels;
  v_row ledger_private.channels;
  v_head ledger_private.pool_heads;
  v_at integer[];
  v_payer integer;
  v_status text;
  v_extra jsonb;
  v_conflict integer;
begin
  v_nodes := ledger_private.load_nodes(p_tenant_id, array(
    select distinct o.op ->> 'node_id' from unnest(p_operations) o (op) where o.op ->> 'op' in ('settle', 'dispatch', 'cancel')
  ));
  v_loaded := cardinality(v_nodes);
  v_node_ids := array(select n.node_id from unnest(v_nodes) n);
  select l.p_pools, l.p_heads, l.p_rows into v_pools, v_heads, v_rows
  from ledger_private.load_pools(p_tenant_id, array(
    select o.op ->> 'pool_id' from unnest(p_operations) o (op) where o.op ->> 'op' in ('meter', 'spawn')
    union
    select n.parent_node_id from unnest(v_nodes) n where n.parent_node_id is not null
  )) l;
  v_pool_ids := array(select p.pool_id from unnest(v_pools) p);
  v_open := array(select ledger_private.refusal_of_spawn(p, false, p_at) is null from unnest(v_pools) p);
  for i in 1 .. coalesce(cardinality(v_rows), 0) loop
    v_pool := array_position(v_pool_ids, v_rows[i].pool_id);
    v_first[v_pool] := coalesce(v_first[v_pool], i);
    v_last[v_pool] := i;
  end loop;

  <<operations>>
  foreach v_op in array p_operations loop
    exit when ledger_private.misfit_of_operation(v_op, p_at) is not null;
    if v_card is not null then
      v_op := ledger_private.priced(v_op, v_card, coalesce(ledger_private.instant(v_op ->> 'effective_at'), p_at));
    end if;
    v_kind := v_op ->> 'op';
    v_extra := null;
    v_node := case when v_kind in ('settle', 'dispatch', 'cancel') then array_position(v_node_ids, v_op ->> 'node_id') end;
    v_pool := array_position(v_pool_ids, case when v_kind in ('meter', 'spawn') then v_op ->> 'pool_id' else v_nodes[v_node].parent_node_id end);
    exit when v_pool is null or v_pools[v_pool].state = 'closed';
    v_head := v_heads[v_pool];
    v_moves := '{}';

    -- what the operation says, as an event and its moves
    if v_kind = 'meter' then
      v_usage := ledger_private.usage_of(v_op -> 'spend', v_pools[v_pool].token_charge);
      v_event := ledger_private.with_usage(ledger_private.metered_event(v_pools[v_pool], v_op, p_at), v_usage);
      v_moves := ledger_private.moves_of(v_usage);

    elsif v_kind = 'spawn' then
      v_slice := v_rows[v_first[v_pool]:v_last[v_pool]];
      exit when not v_open[v_pool] or ledger_private.misfit_of_budget(v_slice, v_op -> 'budget', '') is not null;
      v_new := ledger_private.new_node(
        p_tenant_id, coalesce(v_op ->> 'node_id', v_pool_ids[v_pool] || ':s' || v_head.children), v_pool_ids[v_pool], v_op
      );
      exit when v_new.node_id = any (v_node_ids) or v_new.node_id = v_pool_ids[v_pool] or char_length(v_new.node_id) > 200;
      v_new.hold := ledger_private.hold_of(v_slice, v_new.budget);
      v_event := ledger_private.event(v_pools[v_pool], 'spawned', v_op, p_at);
      foreach v_move in array ledger_private.holding(v_new.hold) loop
        for i in 1 .. cardinality(v_slice) loop
          if v_slice[i].channel = v_move.channel then
            v_slice[i] := ledger_private.moved(v_slice[i], v_move, v_pools[v_pool].unknown_usd = 'seal');
          end if;
        end loop;
        v_event := ledger_private.with_move(v_event, v_move, 0, 0);
      end loop;
      v_payers := v_slice;
      for i in 1 .. cardinality(v_slice) loop
        if v_slice[i].payer_pool_id is distinct from v_pool_ids[v_pool] then
          v_payers[i] := (select r from unnest(v_rows) r where r.pool_id = v_slice[i].payer_pool_id and r.channel = v_slice[i].channel);
        end if;
      end loop;
      exit when ledger_private.refusal_of_budget(v_slice, v_payers, v_new.budget) is not null;
      v_rows[v_first[v_pool]:v_last[v_pool]] := v_slice;
      v_new.run_id := v_pools[v_pool].run_id;
      v_new.tags := v_event.tags;
      v_new.spawned_at := p_at;
      v_new.lease_at := p_at + (v_op ->> 'lease_ms')::double precision * interval '1 millisecond';
      v_event.node_id := v_new.node_id;
      v_nodes := v_nodes || v_new;
      v_node_ids := v_node_ids || v_new.node_id;
      v_made := v_made || (cardinality(v_answers) + 1);
      v_head.open_holds := v_head.open_holds + 1;
      v_head.children := v_head.children + 1;
      v_head.next_lease_at := least(v_head.next_lease_at, v_new.lease_at);
      v_extra := jsonb_build_object('node_id', v_new.node_id);

    elsif v_kind = 'dispatch' then
      exit when v_nodes[v_node].status <> 'pending';
      v_event := ledger_private.event(v_pools[v_pool], 'dispatched', v_op, p_at);
      v_event.node_id := v_nodes[v_node].node_id;
      v_event.tags := ledger_private.tags_of(v_nodes[v_node].tags, v_op -> 'tags');

    else
      exit when v_nodes[v_node].driver or v_nodes[v_node].ended_at is not null or (v_kind = 'settle' and not v_op ? 'spend');
      v_status := case v_kind when 'settle' then v_op ->> 'outcome' else 'cancelled' end;
      v_usage := case
        when v_op ? 'spend' then ledger_private.usage_of(v_op -> 'spend', v_pools[v_pool].token_charge, v_nodes[v_node].budget)
        else ledger_private.unreported_usage(v_nodes[v_node])
      end;
      v_event := ledger_private.event(v_pools[v_pool], case v_kind when 'settle' then 'settled' else 'cancelled' end, v_op, p_at);
      v_event := ledger_private.with_usage(ledger_private.with_ending(v_event, v_nodes[v_node], v_status, v_op), v_usage);
      v_moves := ledger_private.moves_of(v_usage, v_nodes[v_node].hold);
      v_extra := jsonb_build_object(
        'spend', ledger_private.spend_json(v_usage), 'violations', ledger_private.violations(v_usage, v_nodes[v_node].budget)
      );
    end if;

    -- where its rows are; a channel that does not exist yet is made on the plain path
    v_at := '{}';
    foreach v_move in array v_moves loop
      for i in v_first[v_pool] .. v_last[v_pool] loop
        if v_rows[i].channel = v_move.channel then
          v_at := v_at || i;
        end if;
      end loop;
    end loop;
    exit when cardinality(v_at) < cardinality(v_moves);

    -- the moves
    for m in 1 .. cardinality(v_moves) loop
      v_before := v_rows[v_at[m]];
      v_row := ledger_private.moved(v_before, v_moves[m], v_pools[v_pool].unknown_usd = 'seal');
      v_rows[v_at[m]] := v_row;
      v_event := ledger_private.with_move(v_event, v_moves[m], 0, v_row.remainder - v_before.remainder);
    end loop;
    v_head.seq := v_head.seq + 1;
    v_event.seq := v_head.seq;
    if v_kind in ('settle', 'cancel') then
      v_head.open_holds := v_head.open_holds - 1;
      v_head.undelivered := v_head.undelivered + 1;
      v_nodes[v_node] := ledger_private.ended(v_nodes[v_node], v_status, v_head.seq, v_op, p_at);
    elsif v_kind = 'dispatch' then
      v_new := v_nodes[v_node];
      v_new.status := 'dispatched';
      v_new.dispatched_at := p_at;
      v_nodes[v_node] := v_new;
    end if;
    v_heads[v_pool] := v_head;
    v_events := v_events || v_event;
    v_answers := v_answers || ledger_private.ok(v_pool_ids[v_pool], v_head.seq, v_extra);

    -- what other pools pay of it: one `drawn` row each
    for v_payer in
      select distinct array_position(v_pool_ids, r.payer_pool_id)
      from unnest(v_at) with ordinality a (at, m)
      cross join lateral (select (v_rows[a.at]).payer_pool_id) r
      where ledger_private.draws(v_moves[a.m], v_rows[a.at])
      order by 1
    loop
      v_drawn := ledger_private.event_for(v_pools[v_payer], 'drawn', v_event, v_event.node_id);
      for m in 1 .. cardinality(v_moves) loop
        continue when not ledger_private.draws(v_moves[m], v_rows[v_at[m]]) or v_rows[v_at[m]].payer_pool_id <> v_pool_ids[v_payer];
        v_move := v_moves[m];
        v_move.held := 0;
        for i in v_first[v_payer] .. v_last[v_payer] loop
          continue when v_rows[i].channel <> v_move.channel;
          v_before := v_rows[i];
          v_row := ledger_private.moved(v_before, v_move, v_pools[v_payer].unknown_usd = 'seal');
          v_rows[i] := v_row;
          v_drawn := ledger_private.with_move(v_drawn, v_move, 0, v_row.remainder - v_before.remainder);
        end loop;
      end loop;
      v_head := v_heads[v_payer];
      v_head.seq := v_head.seq + 1;
      v_heads[v_payer] := v_head;
      v_drawn.seq := v_head.seq;
      v_events := v_events || v_drawn;
    end loop;
  end loop;

  -- new nodes first: where one is in the way, only what stands before it is folded
  v_conflict := ledger_private.insert_nodes(v_nodes[v_loaded + 1:]);
  if v_conflict is not null then
    return ledger_private.fold(p_tenant_id, p_operations[1:v_made[v_conflict] - 1], p_at);
  end if;
  perform ledger_private.store_fold(v_heads, v_rows, v_nodes[1:v_loaded], v_events);
  return v_answers;
end;
$$;
--! EndIncluded private/fold.sql
--! Included functions/put_prices.sql
-- Writes a price book, whole and once: p_prices = [{provider, model, match?, token_class, usd_per_million, above_input_tokens?, valid_from?,
-- valid_to?, source?}], up to 100,000 prices, in any order; match is `exact` unless said. Provider and model are kept in lower case. Returns how many
-- there are. The same content again is ok, a book never changes: other prices need another name. Nothing is priced from it before ledger.use_prices.
-- Locks: none of the ledger's.
-- Raises: LG009, LG012, LG001 (p_book, p_source, p_prices.<i>.<key>; a key that is there twice), LG011 (the book has other content).
create or replace function ledger.put_prices(
  p_tenant_id text,
  p_book text,
  p_prices jsonb,
  p_source text default null
)
returns integer
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_misfit jsonb;
  v_prices ledger_private.prices[];
  v_digest bytea;
  v_kept bytea;
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  v_misfit := ledger_private.misfit_of_book(p_book, p_prices, p_source);
  if v_misfit is null then
    v_prices := ledger_private.prices_in(p_tenant_id, p_book, p_prices);
    v_misfit := ledger_private.misfit_of_prices(v_prices);
  end if;
  if v_misfit is not null then
    perform ledger_private.raise_error('LG001', v_misfit);
  end if;

  v_digest := ledger_private.digest_of_prices(v_prices, p_source);
  insert into ledger_private.price_books (tenant_id, book, source, digest) values (p_tenant_id, p_book, p_source, v_digest)
  on conflict do nothing;
  if not found then
    select b.digest into strict v_kept from ledger_private.price_books b where b.tenant_id = p_tenant_id and b.book = p_book;
    if v_kept <> v_digest then
      perform ledger_private.raise_error('LG011', jsonb_build_object(
        'path', 'p_book', 'rule', format('book %s is there with other prices: a book never changes, put these under another name', p_book)
      ));
    end if;
    return cardinality(v_prices);
  end if;
  insert into ledger_private.prices select p.* from unnest(v_prices) p;
  return cardinality(v_prices);
end;
$$;
comment on function ledger.put_prices(text, text, jsonb, text) is 'Writes a price book, once; returns the number of its prices.';
revoke all on function ledger.put_prices(text, text, jsonb, text) from public;
grant execute on function ledger.put_prices(text, text, jsonb, text) to ledger_admin, ledger_writer;
--! EndIncluded functions/put_prices.sql
--! Included functions/use_prices.sql
-- Says which book calls without a receipt are priced from when they are metered from now on; null = none. What was estimated stays what it was.
-- Locks: none of the ledger's.
-- Raises: LG009, LG012, LG001 (there is no such book).
create or replace function ledger.use_prices(
  p_tenant_id text,
  p_book text
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  if p_book is not null and not exists (
    select from ledger_private.price_books b where b.tenant_id = p_tenant_id and b.book = p_book
  ) then
    perform ledger_private.raise_error(
      'LG001', jsonb_build_object('path', 'p_book', 'rule', format('there is no price book %s: ledger.put_prices writes one', p_book))
    );
  end if;
  update ledger_private.tenants t set price_book = p_book where t.tenant_id = p_tenant_id and t.price_book is distinct from p_book;
end;
$$;
comment on function ledger.use_prices(text, text) is 'Chooses the price book of a tenant; null = none.';
revoke all on function ledger.use_prices(text, text) from public;
grant execute on function ledger.use_prices(text, text) to ledger_admin, ledger_writer;
--! EndIncluded functions/use_prices.sql
--! Included views/price_books.sql
-- The price books of a tenant. current: the one that calls without a receipt are priced from when they are metered.
create or replace view ledger.price_books
with (security_invoker = true)
as
select
  b.tenant_id, b.book, b.source,
  (select count(*) from ledger_private.prices p where p.tenant_id = b.tenant_id and p.book = b.book) as prices,
  coalesce(t.price_book = b.book, false) as current, b.recorded_at, b.recorded_by
from ledger_private.price_books b
join ledger_private.tenants t on t.tenant_id = b.tenant_id;
comment on view ledger.price_books is 'Price books: how many prices, where from, which is current.';
comment on column ledger.price_books.source is 'null: not stated';
revoke all on ledger.price_books from public;
grant select on ledger.price_books to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/price_books.sql
--! Included views/journal.sql
-- The journal as it was written. Usage is null where an event consumed nothing; usd is null where it is unknown.
create or replace view ledger.journal
with (security_invoker = true)
as
select
  j.tenant_id, j.pool_id, j.seq, j.kind, j.operation_id, j.run_id, j.node_id, j.provider, j.model, j.provider_request_id, j.purpose,
  j.turn, j.tool_calls, j.tags,
  j.iterations, j.input_tokens, j.output_tokens,
  case when j.iterations is not null then coalesce(j.cache_read_tokens, 0) end as cache_read_tokens,
  case when j.iterations is not null then coalesce(j.cache_write_tokens, 0) end as cache_write_tokens,
  case when j.iterations is not null then coalesce(j.reasoning_tokens, 0) end as reasoning_tokens,
  j.charged_tokens, trim_scale(j.usd) as usd,
  case when j.iterations is not null then coalesce(j.ms, 0) end as ms,
  case when j.iterations is not null then coalesce(j.uncertain_tokens, 0) end as uncertain_tokens,
  case when j.iterations is not null then coalesce(j.uncertain_iterations, 0) end as uncertain_iterations,
  case when j.iterations is not null then coalesce(trim_scale(j.uncertain_usd), 0) end as uncertain_usd,
  j.tokens_known, j.usd_known, j.resources, j.verdict, j.outcome, j.out_ref, j.reason, j.detail,
  j.source_pool_id, j.source_seq, j.effective_at, j.recorded_at, j.recorded_by, j.corrects_seq, j.infra,
  case when j.iterations is not null then coalesce(j.cache_write_1h_tokens, 0) end as cache_write_1h_tokens
from ledger_private.journal j;
comment on view ledger.journal is 'Every event, append-only, dense seq per pool.';
comment on column ledger.journal.run_id is 'null: outside any run';
comment on column ledger.journal.provider is 'null: not stated';
comment on column ledger.journal.model is 'null: not stated';
comment on column ledger.journal.provider_request_id is 'null: not stated';
comment on column ledger.journal.purpose is 'null: not stated';
comment on column ledger.journal.turn is 'null: not stated';
comment on column ledger.journal.tool_calls is 'null: not stated';
comment on column ledger.journal.tags is 'null: none';
comment on column ledger.journal.iterations is 'null: nothing consumed';
comment on column ledger.journal.input_tokens is 'null: nothing consumed';
comment on column ledger.journal.output_tokens is 'null: nothing consumed';
comment on column ledger.journal.cache_read_tokens is 'null: nothing consumed';
comment on column ledger.journal.cache_write_tokens is 'null: nothing consumed';
comment on column ledger.journal.reasoning_tokens is 'null: nothing consumed';
comment on column ledger.journal.charged_tokens is 'null: nothing consumed';
comment on column ledger.journal.usd is 'null: nothing consumed, or unknown';
comment on column ledger.journal.ms is 'null: nothing consumed';
comment on column ledger.journal.uncertain_tokens is 'null: nothing consumed';
comment on column ledger.journal.uncertain_iterations is 'null: nothing consumed';
comment on column ledger.journal.uncertain_usd is 'null: nothing consumed';
comment on column ledger.journal.tokens_known is 'null: nothing consumed';
comment on column ledger.journal.usd_known is 'null: nothing consumed';
comment on column ledger.journal.resources is 'null: none';
comment on column ledger.journal.verdict is 'null: none';
comment on column ledger.journal.outcome is 'null: ends no node';
comment on column ledger.journal.out_ref is 'null: none';
comment on column ledger.journal.reason is 'null: not stated';
comment on column ledger.journal.detail is 'null: none';
comment on column ledger.journal.source_pool_id is 'null: of this pool''s own';
comment on column ledger.journal.source_seq is 'null: of this pool''s own';
comment on column ledger.journal.corrects_seq is 'null: corrects nothing here';
comment on column ledger.journal.infra is 'null: not stated';
comment on column ledger.journal.cache_write_1h_tokens is 'null: nothing consumed';
revoke all on ledger.journal from public;
grant select on ledger.journal to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/journal.sql
--! Included views/usage_lines.sql
-- One row per usage line; an event without lines is its own line, and what lines leave unexplained (a ceiling charged, a correction) is one
-- more, line null. Transfers and `drawn` rows are no usage. What expired is the call that its late settlement names, if it names one.
create or replace view ledger.usage_lines
with (security_invoker = true)
as
select
  l.tenant_id, l.pool_id, l.seq, l.line, j.run_id, j.node_id, j.kind, j.operation_id, l.provider, l.model, l.provider_request_id, j.purpose, j.tags,
  l.iterations, l.input_tokens, l.output_tokens, l.cache_read_tokens, l.cache_write_tokens, l.reasoning_tokens, l.charged_tokens,
  trim_scale(l.usd) as usd, l.ms, 0::numeric as uncertain_tokens, 0::numeric as uncertain_iterations, trim_scale(l.uncertain_usd) as uncertain_usd,
  l.tokens_known, l.usd_known, l.resources, j.effective_at, j.recorded_at, l.cache_write_1h_tokens
from ledger_private.usage_lines l
cross join lateral (
  select k.run_id, k.node_id, k.kind, k.operation_id, k.purpose, k.tags, k.effective_at, k.recorded_at
  from ledger_private.journal k
  where k.tenant_id = l.tenant_id and k.pool_id = l.pool_id and k.seq = l.seq
  offset 0
) j
union all
select
  j.tenant_id, j.pool_id, j.seq, null, j.run_id, j.node_id, j.kind, j.operation_id, coalesce(j.provider, s.provider), coalesce(j.model, s.model),
  coalesce(j.provider_request_id, s.provider_request_id), coalesce(j.purpose, s.purpose), j.tags,
  coalesce(j.iterations, 0) - l.iterations, coalesce(j.input_tokens, 0) - l.input_tokens, coalesce(j.output_tokens, 0) - l.output_tokens,
  coalesce(j.cache_read_tokens, 0) - l.cache_read_tokens, coalesce(j.cache_write_tokens, 0) - l.cache_write_tokens,
  coalesce(j.reasoning_tokens, 0) - l.reasoning_tokens, coalesce(j.charged_tokens, 0) - l.charged_tokens,
  trim_scale(case when l.lines = 0 then j.usd else coalesce(j.usd, 0) - l.usd end), coalesce(j.ms, 0) - l.ms,
  coalesce(j.uncertain_tokens, 0), coalesce(j.uncertain_iterations, 0), trim_scale(coalesce(j.uncertain_usd, 0) - l.uncertain_usd),
  j.tokens_known, j.usd_known, r.resources, j.effective_at, j.recorded_at,
  coalesce(j.cache_write_1h_tokens, 0) - l.cache_write_1h_tokens
from ledger_private.journal j
cross join lateral (
  select
    count(*) as lines, coalesce(sum(l.iterations), 0) as iterations, coalesce(sum(l.input_tokens), 0) as input_tokens,
    coalesce(sum(l.output_tokens), 0) as output_tokens, coalesce(sum(l.cache_read_tokens), 0) as cache_read_tokens,
    coalesce(sum(l.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(l.reasoning_tokens), 0) as reasoning_tokens,
    coalesce(sum(l.charged_tokens), 0) as charged_tokens, coalesce(sum(l.usd), 0) as usd, coalesce(sum(l.ms), 0) as ms,
    coalesce(sum(l.uncertain_usd), 0) as uncertain_usd, coalesce(sum(l.cache_write_1h_tokens), 0) as cache_write_1h_tokens
  from ledger_private.usage_lines l
  where l.tenant_id = j.tenant_id and l.pool_id = j.pool_id and l.seq = j.seq
) l
cross join lateral (
  select jsonb_object_agg(d.name, jsonb_build_object('amount', trim_scale(d.amount))) as resources
  from (
    select a.name, sum(a.amount) as amount
    from (
      select e.key as name, (e.value ->> 'amount')::numeric as amount from jsonb_each(j.resources) e
      union all
      select e.key, -(e.value ->> 'amount')::numeric
      from ledger_private.usage_lines k
      cross join lateral jsonb_each(k.resources) e
      where k.tenant_id = j.tenant_id and k.pool_id = j.pool_id and k.seq = j.seq
    ) a
    group by a.name
  ) d
  where d.amount <> 0
) r
left join lateral (
  select k.provider, k.model, k.provider_request_id, k.purpose from ledger_private.journal k
  where j.kind = 'expired' and k.tenant_id = j.tenant_id and k.pool_id = j.pool_id and k.corrects_seq = j.seq
    and k.outcome is not null
  limit 1
) s on true
where j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
  and (
    l.lines = 0
    or (
      coalesce(j.iterations, 0), coalesce(j.input_tokens, 0), coalesce(j.output_tokens, 0), coalesce(j.charged_tokens, 0),
      coalesce(j.cache_read_tokens, 0), coalesce(j.cache_write_tokens, 0), coalesce(j.reasoning_tokens, 0), coalesce(j.usd, 0), coalesce(j.ms, 0),
      coalesce(j.uncertain_usd, 0), coalesce(j.uncertain_tokens, 0), coalesce(j.uncertain_iterations, 0),
      coalesce(j.cache_write_1h_tokens, 0)
    ) is distinct from (
      l.iterations, l.input_tokens, l.output_tokens, l.charged_tokens, l.cache_read_tokens, l.cache_write_tokens, l.reasoning_tokens, l.usd, l.ms,
      l.uncertain_usd, 0, 0, l.cache_write_1h_tokens
    )
    or r.resources is not null
  );
comment on view ledger.usage_lines is 'What prices and attribution read: one row per line, or per event without lines.';
comment on column ledger.usage_lines.line is 'null: the event itself, or what its lines leave unexplained';
comment on column ledger.usage_lines.run_id is 'null: outside any run';
comment on column ledger.usage_lines.provider is 'null: not stated';
comment on column ledger.usage_lines.model is 'null: not stated';
comment on column ledger.usage_lines.provider_request_id is 'null: not stated';
comment on column ledger.usage_lines.purpose is 'null: not stated';
comment on column ledger.usage_lines.tags is 'null: none';
comment on column ledger.usage_lines.usd is 'null: unknown';
comment on column ledger.usage_lines.resources is 'null: none';
revoke all on ledger.usage_lines from public;
grant select on ledger.usage_lines to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/usage_lines.sql
--! Included views/usage_daily.sql
-- Usage per day (UTC, of effective_at), provider, model, purpose and tags: every row of ledger.usage_lines once. A correction counts on the day
-- of its own effective_at. lines: calls counted, which are the lines of events and the events without lines, no corrections and no remainders.
-- usd is null only where nothing of it is known. An event that was corrected is as known as its last correction. receipt_usd was charged with a
-- receipt, estimated_usd without; unknown_usd_events: uncorrected events charged no dollars because nobody could price them, on their own day, one
-- whose lines name several models in the row of each.
create or replace view ledger.usage_daily
with (security_invoker = true)
as
select
  u.tenant_id, (u.effective_at at time zone 'UTC')::date as day, u.provider, u.model, u.purpose, u.tags,
  count(*) filter (where u.kind <> 'corrected' and (u.line is not null or f.line is null)) as lines,
  sum(u.iterations) as iterations, sum(u.input_tokens) as input_tokens, sum(u.output_tokens) as output_tokens,
  sum(u.cache_read_tokens) as cache_read_tokens, sum(u.cache_write_tokens) as cache_write_tokens, sum(u.reasoning_tokens) as reasoning_tokens,
  sum(u.charged_tokens) as charged_tokens, trim_scale(sum(u.usd)) as usd, sum(u.ms) as ms,
  sum(u.uncertain_tokens) as uncertain_tokens, sum(u.uncertain_iterations) as uncertain_iterations,
  trim_scale(sum(u.uncertain_usd)) as uncertain_usd,
  bool_and(coalesce(c.tokens_known, u.tokens_known)) as tokens_known, bool_and(coalesce(c.usd_known, u.usd_known)) as usd_known,
  trim_scale(coalesce(sum(u.usd), 0) - sum(u.uncertain_usd)) as receipt_usd, trim_scale(sum(u.uncertain_usd)) as estimated_usd,
  count(distinct (u.pool_id, u.seq)) filter (
    where u.kind <> 'corrected' and coalesce(j.usd_seals, 0) + coalesce(c.usd_seals, 0) > 0 and (j.usd_known or not u.usd_known)
  ) as unknown_usd_events
from ledger.usage_lines u
cross join lateral (
  select k.seq, k.corrects_seq, k.usd_seals, k.usd_known
  from ledger_private.journal k
  where k.tenant_id = u.tenant_id and k.pool_id = u.pool_id and k.seq = u.seq
  offset 0
) j
left join lateral (
  select l.line
  from ledger_private.usage_lines l
  where l.tenant_id = u.tenant_id and l.pool_id = u.pool_id and l.seq = u.seq and l.line = 0 and u.line is null
  offset 0
) f on true
cross join lateral (
  select
    (array_agg(k.tokens_known order by k.seq desc))[1] as tokens_known, (array_agg(k.usd_known order by k.seq desc))[1] as usd_known,
    sum(k.usd_seals) as usd_seals
  from ledger_private.journal k
  where k.tenant_id = u.tenant_id and k.pool_id = u.pool_id and k.corrects_seq = coalesce(j.corrects_seq, j.seq)
) c
group by 1, 2, 3, 4, 5, 6;
comment on view ledger.usage_daily is 'Usage per day, provider, model, purpose and tags.';
comment on column ledger.usage_daily.provider is 'null: not stated';
comment on column ledger.usage_daily.model is 'null: not stated';
comment on column ledger.usage_daily.purpose is 'null: not stated';
comment on column ledger.usage_daily.tags is 'null: none';
comment on column ledger.usage_daily.usd is 'null: nothing of it is known';
revoke all on ledger.usage_daily from public;
grant select on ledger.usage_daily to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/usage_daily.sql
--! Included views/spent_breakdown.sql
-- What a run spent: three rows, driver inference (metered), child work (leaves), total; also while the run is live. Pools of the run are
-- walked, not its leaves. receipt_usd was charged with a receipt, estimated_usd without (a price, a ceiling); unknown_usd_events: uncorrected
-- events that were charged no dollars because nobody could price them.
create or replace view ledger.spent_breakdown
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, s.source,
  s.iterations as iterations, s.input_tokens as input_tokens, s.output_tokens as output_tokens, s.cache_read_tokens as cache_read_tokens,
  s.cache_write_tokens as cache_write_tokens, s.reasoning_tokens as reasoning_tokens, s.charged_tokens as charged_tokens,
  trim_scale(s.usd) as usd, s.ms as ms, s.uncertain_tokens as uncertain_tokens, s.uncertain_iterations as uncertain_iterations,
  trim_scale(s.uncertain_usd) as uncertain_usd,
  s.tokens_unknown = 0 as tokens_known, s.usd_unknown = 0 as usd_known,
  trim_scale(s.usd - s.uncertain_usd) as receipt_usd, trim_scale(s.uncertain_usd) as estimated_usd, s.usd_seals::bigint as unknown_usd_events
from ledger_private.runs r
cross join lateral (
  with recursive tree as (
    select r.run_id as pool_id
    union all
    select c.pool_id
    from tree t
    cross join lateral (
      select p.pool_id from ledger_private.pools p
      where p.tenant_id = r.tenant_id and p.parent_pool_id = t.pool_id
      offset 0
    ) c
  ),
  own as (
    select
      case when j.node_id = j.pool_id then 'driver_inference' else 'child_work' end as source,
      coalesce(sum(j.iterations), 0) as iterations, coalesce(sum(j.input_tokens), 0) as input_tokens,
      coalesce(sum(j.output_tokens), 0) as output_tokens, coalesce(sum(j.cache_read_tokens), 0) as cache_read_tokens,
      coalesce(sum(j.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(j.reasoning_tokens), 0) as reasoning_tokens,
      coalesce(sum(j.charged_tokens), 0) as charged_tokens, coalesce(sum(j.usd), 0) as usd, coalesce(sum(j.ms), 0) as ms,
      coalesce(sum(j.uncertain_tokens), 0) as uncertain_tokens, coalesce(sum(j.uncertain_iterations), 0) as uncertain_iterations,
      coalesce(sum(j.uncertain_usd), 0) as uncertain_usd, coalesce(sum(j.tokens_unknown), 0) as tokens_unknown,
      coalesce(sum(j.usd_unknown), 0) as usd_unknown, coalesce(sum(j.usd_seals), 0) as usd_seals
    from tree t
    cross join lateral (
      select j.* from ledger_private.journal j
      where j.tenant_id = r.tenant_id and j.pool_id = t.pool_id
        and j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
      offset 0
    ) j
    group by 1
  )
  select
    v.source, coalesce(sum(o.iterations), 0) as iterations, coalesce(sum(o.input_tokens), 0) as input_tokens,
    coalesce(sum(o.output_tokens), 0) as output_tokens, coalesce(sum(o.cache_read_tokens), 0) as cache_read_tokens,
    coalesce(sum(o.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(o.reasoning_tokens), 0) as reasoning_tokens,
    coalesce(sum(o.charged_tokens), 0) as charged_tokens, coalesce(sum(o.usd), 0) as usd, coalesce(sum(o.ms), 0) as ms,
    coalesce(sum(o.uncertain_tokens), 0) as uncertain_tokens, coalesce(sum(o.uncertain_iterations), 0) as uncertain_iterations,
    coalesce(sum(o.uncertain_usd), 0) as uncertain_usd, coalesce(sum(o.tokens_unknown), 0) as tokens_unknown,
    coalesce(sum(o.usd_unknown), 0) as usd_unknown, coalesce(sum(o.usd_seals), 0) as usd_seals
  from (values ('driver_inference', 1), ('child_work', 2), ('total', 3)) v (source, place)
  left join own o on o.source = v.source or v.source = 'total'
  group by v.source, v.place
) s;
comment on view ledger.spent_breakdown is 'Three rows per run: driver_inference, child_work, total.';
revoke all on ledger.spent_breakdown from public;
grant select on ledger.spent_breakdown to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/spent_breakdown.sql
--! Included views/audit/runs.sql
-- The roll-up of a run is what its root pool committed, less what only a seal put there; while drivers are open, plus what their pools hold as
-- payers or nobody above in the run has booked. One pass over the pools, one look at the breakdown per run.
create or replace view ledger_private.audit_runs
with (security_invoker = true)
as
select
  v.tenant_id, v.run_id as pool_id, 'roll-up-differs-from-root' as rule,
  jsonb_build_object(
    'rolled_up', jsonb_build_object('tokens', s.charged_tokens, 'iterations', s.iterations, 'usd', s.usd),
    'booked', jsonb_build_object('tokens', trim_scale(v.tokens), 'iterations', trim_scale(v.iterations), 'usd', trim_scale(v.usd))
  ) as detail
from (
  select
    b.tenant_id, b.run_id,
    sum(b.booked) filter (where b.channel = 'tokens') as tokens,
    sum(b.booked) filter (where b.channel = 'iterations') as iterations,
    sum(b.booked) filter (where b.channel = 'usd') as usd
  from (
    select
      p.tenant_id, p.run_id, c.channel,
      case
        when p.pool_id = p.run_id then c.committed
        when p.state <> 'closed' and (c.payer_pool_id = c.pool_id or q.run_id is distinct from p.run_id) then c.committed
        else 0
      end - c.remainder as booked
    from ledger_private.pools p
    cross join lateral (
      select c.* from ledger_private.channels c
      where c.tenant_id = p.tenant_id and c.pool_id = p.pool_id and c.channel in ('tokens', 'iterations', 'usd')
      offset 0
    ) c
    left join lateral (
      select q.run_id from ledger_private.pools q where q.tenant_id = c.tenant_id and q.pool_id = c.payer_pool_id limit 1
    ) q on true
    where p.run_id is not null
  ) b
  group by b.tenant_id, b.run_id
) v
cross join lateral (
  select s.charged_tokens, s.iterations, s.usd
  from ledger.spent_breakdown s
  where s.tenant_id = v.tenant_id and s.run_id = v.run_id and s.source = 'total'
  offset 0
) s
where (v.tokens, v.iterations, v.usd) is distinct from (s.charged_tokens, s.iterations, s.usd);
comment on view ledger_private.audit_runs is 'The roll-up of a run is what its root pool committed, less what only a seal put there.';
revoke all on ledger_private.audit_runs from public;
grant select on ledger_private.audit_runs to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/runs.sql
--! Included views/audit/draws.sql
-- What a payer drew is what was spent below on its account, event by event and once. Begins at the channels that draw: most pools have none.
create or replace view ledger_private.audit_draws
with (security_invoker = true)
as
select
  d.tenant_id, d.pool_id, 'drawn-differs-from-source' as rule,
  jsonb_build_object(
    'source_pool_id', d.source_pool_id, 'source_seq', d.source_seq, 'channel', d.channel, 'drawn', sum(d.drawn), 'spent', sum(d.spent)
  ) as detail
from (
  select j.tenant_id, c.payer_pool_id as pool_id, j.pool_id as source_pool_id, j.seq as source_seq, m.channel, 0 as rows, 0 as drawn, m.spent
  from ledger_private.channels c
  cross join lateral (
    select k.* from ledger_private.journal k where k.tenant_id = c.tenant_id and k.pool_id = c.pool_id
    offset 0
  ) j
  cross join lateral (
    select 'usd' as channel, coalesce(j.usd_spent, 0) as spent
    union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
  ) m
  left join lateral (
    select k.pool_id, k.payer_pool_id from ledger_private.channels k
    where k.tenant_id = c.tenant_id and k.pool_id = j.source_pool_id and k.channel = c.channel limit 1
  ) b on true
  where c.payer_pool_id <> c.pool_id and m.channel = c.channel and (j.source_pool_id is null or b.payer_pool_id = b.pool_id)
  union all
  select j.tenant_id, j.pool_id, j.source_pool_id, j.source_seq, m.channel, 1, m.spent, 0
  from ledger_private.journal j
  cross join lateral (
    select 'usd' as channel, coalesce(j.usd_spent, 0) as spent
    union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
  ) m
  where j.kind = 'drawn'
) d
group by d.tenant_id, d.pool_id, d.source_pool_id, d.source_seq, d.channel
having sum(d.drawn) <> sum(d.spent) or sum(d.rows) > 1
union all
select p.tenant_id, p.pool_id, 'payer-links-differ', jsonb_build_object('pool', p.payers, 'channels', c.payers)
from ledger_private.pools p
cross join lateral (
  select array_agg(distinct c.payer_pool_id) filter (where c.payer_pool_id <> c.pool_id) as payers
  from ledger_private.channels c
  where c.tenant_id = p.tenant_id and c.pool_id = p.pool_id
) c
where p.payers is distinct from c.payers
union all
select c.tenant_id, c.pool_id, 'payer-caps-nothing', jsonb_build_object('channel', c.channel, 'payer_pool_id', c.payer_pool_id)
from ledger_private.channels c
cross join lateral (
  select k.total from ledger_private.channels k where k.tenant_id = c.tenant_id and k.pool_id = c.payer_pool_id and k.channel = c.channel limit 1
) q
where q.total is null;
comment on view ledger_private.audit_draws is 'What a payer drew is what was spent below on its account, event by event.';
revoke all on ledger_private.audit_draws from public;
grant select on ledger_private.audit_draws to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/draws.sql
--! Included views/priced_usage.sql
-- Every call under every price book: what its usage would cost at the prices of the book as of its effective_at (ledger.rates_of, ledger.price_of),
-- next to what was booked for it. A call is a usage line, or an event without lines; of an event that was corrected it is what the event and its
-- corrections say together of one provider, model and request. usd is null where the book cannot tell: an unknown model, class or number of
-- tokens. What used nothing and names no model is no call.
-- Runs are walked, not searched; what happened outside of runs is found by pool. Models are looked up once per pool and book: hence materialized.
create or replace view ledger.priced_usage
with (security_invoker = true)
as
select
  p.tenant_id, b.book, p.run_id, p.pool_id, c.seq, e.node_id, c.provider, c.model, c.provider_request_id, e.purpose, e.effective_at,
  c.input_tokens, c.output_tokens, c.cache_read_tokens, c.cache_write_tokens, c.cache_write_1h_tokens, c.reasoning_tokens, c.tokens_known,
  c.booked_usd, c.booked_usd_known, case when c.tokens_known then x.p_usd end as usd
from (
  select r.tenant_id, r.run_id, t.pool_id
  from ledger_private.runs r
  cross join lateral (
    with recursive tree as (
      select r.run_id as pool_id
      union all
      select k.pool_id
      from tree t
      cross join lateral (
        select q.pool_id from ledger_private.pools q
        where q.tenant_id = r.tenant_id and q.parent_pool_id = t.pool_id
        offset 0
      ) k
    )
    select t.pool_id from tree t
  ) t
  union all
  select q.tenant_id, null, q.pool_id from ledger_private.pools q where q.run_id is null
) p
join ledger_private.price_books b on b.tenant_id = p.tenant_id
cross join lateral (
  with parts as (
    select
      u.*, coalesce(j.corrects_seq, u.seq) as event_seq, case when l.seq is null then u.line end as call, l.seq as last_seq,
      l.seq is null or u.seq = l.seq as latest, coalesce(l.tokens_known, false) as tokens_now_known, coalesce(l.usd_known, false) as usd_now_known
    from ledger.usage_lines u
    cross join lateral (
      select k.corrects_seq from ledger_private.journal k
      where k.tenant_id = u.tenant_id and k.pool_id = u.pool_id and k.seq = u.seq
      offset 0
    ) j
    left join lateral (
      select k.seq, k.tokens_known, k.usd_known from ledger_private.journal k
      where k.tenant_id = u.tenant_id and k.pool_id = u.pool_id and k.corrects_seq = coalesce(j.corrects_seq, u.seq)
      order by k.seq desc
      limit 1
    ) l on true
    where u.tenant_id = p.tenant_id and u.pool_id = p.pool_id
  ),
  sums as (
    select
      s.event_seq as seq, s.provider, s.model, s.provider_request_id, sum(s.input_tokens) as input_tokens, sum(s.output_tokens) as output_tokens,
      sum(s.cache_read_tokens) as cache_read_tokens, sum(s.cache_write_tokens) as cache_write_tokens,
      sum(s.cache_write_1h_tokens) as cache_write_1h_tokens, sum(s.reasoning_tokens) as reasoning_tokens, sum(s.usd) as usd,
      sum(s.uncertain_usd) as uncertain_usd, max(s.last_seq) is not null as corrected,
      bool_or(s.tokens_now_known) or coalesce(bool_and(s.tokens_known) filter (where s.latest), false) as tokens_known,
      bool_or(s.usd_now_known) or coalesce(bool_and(s.usd_known) filter (where s.latest), false) as usd_known
    from parts s
    group by s.event_seq, s.provider, s.model, s.provider_request_id, s.call
  ),
  calls as (
    select
      s.seq, s.provider, s.model, s.provider_request_id, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens,
      s.cache_write_1h_tokens, s.reasoning_tokens, s.tokens_known, s.usd_known as booked_usd_known,
      case when s.usd_known or not s.corrected or s.usd <> 0 or s.uncertain_usd <> 0 then trim_scale(s.usd) end as booked_usd
    from sums s
    where not s.tokens_known or not s.usd_known or (s.model is not null and not s.corrected)
      or (s.input_tokens, s.output_tokens, coalesce(s.usd, 0)) <> (0, 0, 0)
  ),
  known as materialized (
    select m.provider, m.model, ledger.rates_of(p.tenant_id, b.book, m.provider, m.model) as rates
    from (select distinct k.provider, k.model from calls k) m
  )
  select k.*, m.rates
  from calls k
  join known m on coalesce(m.provider, '') = coalesce(k.provider, '') and coalesce(m.model, '') = coalesce(k.model, '')
) c
cross join lateral (
  select j.node_id, coalesce(j.purpose, s.purpose) as purpose, coalesce(s.effective_at, j.effective_at) as effective_at
  from ledger_private.journal j
  left join lateral (
    select k.purpose, k.effective_at from ledger_private.journal k
    where j.kind = 'expired' and k.tenant_id = j.tenant_id and k.pool_id = j.pool_id and k.corrects_seq = j.seq
      and k.outcome is not null
    limit 1
  ) s on true
  where j.tenant_id = p.tenant_id and j.pool_id = p.pool_id and j.seq = c.seq
  offset 0
) e
cross join lateral ledger.price_of(
  c.rates, e.effective_at, c.input_tokens, c.output_tokens, c.cache_read_tokens, c.cache_write_tokens, c.cache_write_1h_tokens, c.reasoning_tokens
) x;
comment on view ledger.priced_usage is 'Every call under every price book: usd beside what was booked.';
comment on column ledger.priced_usage.run_id is 'null: outside any run';
comment on column ledger.priced_usage.provider is 'null: not stated';
comment on column ledger.priced_usage.model is 'null: not stated';
comment on column ledger.priced_usage.provider_request_id is 'null: not stated';
comment on column ledger.priced_usage.purpose is 'null: not stated';
comment on column ledger.priced_usage.booked_usd is 'null: unknown, nothing was charged';
comment on column ledger.priced_usage.usd is 'null: the book cannot tell';
revoke all on ledger.priced_usage from public;
grant select on ledger.priced_usage to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/priced_usage.sql
--! Included views/run_prices.sql
-- What each run would cost under each price book, beside what was booked for it: usd is the sum of the calls the book can price, unpriced_calls
-- counts the others; usd_known where there are none. The same run under two books is two rows.
create or replace view ledger.run_prices
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, b.book, u.calls, u.unpriced_calls, u.usd, u.unpriced_calls = 0 as usd_known, u.booked_usd, u.booked_usd_known
from ledger_private.runs r
join ledger_private.price_books b on b.tenant_id = r.tenant_id
cross join lateral (
  select
    count(*) as calls, count(*) filter (where u.usd is null) as unpriced_calls,
    case when count(*) = 0 then 0 else trim_scale(sum(u.usd)) end as usd,
    case when count(*) = 0 then 0 else trim_scale(sum(u.booked_usd)) end as booked_usd,
    coalesce(bool_and(u.booked_usd_known), true) as booked_usd_known
  from ledger.priced_usage u
  where u.tenant_id = r.tenant_id and u.run_id = r.run_id and u.book = b.book
) u;
comment on view ledger.run_prices is 'What each run would cost under each price book.';
comment on column ledger.run_prices.usd is 'null: the book can price none of its calls';
comment on column ledger.run_prices.booked_usd is 'null: nothing of it is known';
revoke all on ledger.run_prices from public;
grant select on ledger.run_prices to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/run_prices.sql

-- Experiments
create table if not exists ledger_private.plans (
  tenant_id text not null,
  experiment text not null,
  plan_ref text not null,
  pool_id text not null,
  seq bigint not null,
  registered_at timestamptz not null,
  registered_by text not null default session_user,
  constraint plans_pkey primary key (tenant_id, experiment),
  constraint plans_event_fkey foreign key (tenant_id, pool_id, seq) references ledger_private.journal (tenant_id, pool_id, seq),
  constraint plans_blob_fkey foreign key (tenant_id, plan_ref) references ledger_private.blobs (tenant_id, blob_id)
);

alter table ledger_private.journal drop constraint if exists journal_kind_known;
alter table ledger_private.journal add constraint journal_kind_known check (
  kind ~ '^(opened|funded|spawned|dispatched|extended|settled|cancelled|metered|delivered|corrected|expired|frozen|thawed|closed|judged|planned|drawn)$'
);

--! Included operations/plan.sql
-- plan: registers the plan of an experiment, once: the digest of a stored blob enters the journal of the pool. Moves nothing.
-- Errors: LG002, LG001 (no such blob), LG011 (the experiment has a plan).
create or replace function ledger_private.op_plan(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_experiment constant text := p_operation ->> 'experiment';
  v_plan_ref constant text := p_operation ->> 'plan_ref';
  v_event ledger_private.journal;
begin
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  elsif not exists (select from ledger_private.blobs b where b.tenant_id = p_tenant_id and b.blob_id = v_plan_ref) then
    return ledger_private.failed('LG001', 'plan_ref', 'must be the id of a stored blob: ledger.put_blob stores one');
  elsif exists (select from ledger_private.plans p where p.tenant_id = p_tenant_id and p.experiment = v_experiment) then
    return ledger_private.failed('LG011', 'experiment', format('experiment %s has a plan already', v_experiment));
  end if;
  v_event := ledger_private.event(v_pool, 'planned', p_operation, p_at);
  v_event.node_id := v_pool.pool_id;
  v_event.detail := jsonb_build_object('experiment', v_experiment, 'plan_ref', v_plan_ref);
  v_event.seq := ledger_private.post(v_event);
  insert into ledger_private.plans (tenant_id, experiment, plan_ref, pool_id, seq, registered_at, registered_by)
  values (p_tenant_id, v_experiment, v_plan_ref, v_pool.pool_id, v_event.seq, p_at, session_user);
  return ledger_private.ok(v_pool.pool_id, v_event.seq);
end;
$$;
--! EndIncluded operations/plan.sql
--! Included rules/median_of.sql
-- The median of amounts in ascending order, exactly: of an even number, the mean of the middle two. Null of none.
create or replace function ledger_private.median_of(p_sorted numeric[])
returns numeric
language sql
immutable
parallel safe
return trim_scale((p_sorted[(cardinality(p_sorted) + 1) / 2] + p_sorted[cardinality(p_sorted) / 2 + 1]) * 0.5);
--! EndIncluded rules/median_of.sql
--! Included rules/fraction_of.sql
-- A part of a whole, neither negative, rounded to 12 decimals (a half upwards): in whole numbers, so it is rounded once. Null where the whole is 0.
create or replace function ledger_private.fraction_of(p_part numeric, p_whole numeric)
returns numeric
language sql
immutable
parallel safe
return trim_scale(div(p_part * 2000000000000 + p_whole, nullif(p_whole, 0) * 2) * 0.000000000001);
--! EndIncluded rules/fraction_of.sql
--! Included rules/sign_test.sql
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
--! EndIncluded rules/sign_test.sql
--! Included rules/gate_cost.sql
-- A cost as a gate shows it on a channel: exact decimal text, for `all` one for each quantity. Null amounts are 0.
create or replace function ledger_private.gate_cost(
  p_channel text,
  p_tokens numeric,
  p_usd numeric,
  p_iterations numeric,
  p_ms numeric
)
returns jsonb
language sql
immutable
parallel safe
return case p_channel
  when 'tokens' then to_jsonb(trim_scale(coalesce(p_tokens, 0))::text)
  when 'usd' then to_jsonb(trim_scale(coalesce(p_usd, 0))::text)
  else jsonb_build_object(
    'tokens', trim_scale(coalesce(p_tokens, 0))::text, 'usd', trim_scale(coalesce(p_usd, 0))::text,
    'iterations', trim_scale(coalesce(p_iterations, 0))::text, 'ms', trim_scale(coalesce(p_ms, 0))::text
  )
end;
--! EndIncluded rules/gate_cost.sql
--! Included rules/gate_doubt.sql
-- What of an arm's cost on a channel rests on no receipt, as a gate shows it: estimated, the part charged without one; unknown_events, events of
-- unknown usage. Null is 0; of `all` nothing is said.
create or replace function ledger_private.gate_doubt(
  p_channel text,
  p_tokens_estimated numeric,
  p_tokens_unknown numeric,
  p_usd_estimated numeric,
  p_usd_unknown numeric
)
returns jsonb
language sql
immutable
parallel safe
return case p_channel
  when 'tokens' then jsonb_build_object(
    'estimated', trim_scale(coalesce(p_tokens_estimated, 0))::text, 'unknown_events', coalesce(p_tokens_unknown, 0)
  )
  when 'usd' then jsonb_build_object(
    'estimated', trim_scale(coalesce(p_usd_estimated, 0))::text, 'unknown_events', coalesce(p_usd_unknown, 0)
  )
  else '{}'
end;
--! EndIncluded rules/gate_doubt.sql
--! Included rules/gate_reason.sql
-- Why the arms of an experiment are not equal on a channel: the first reason that applies, or null where they are.
create or replace function ledger_private.gate_reason(
  p_open boolean,
  p_unsure boolean,
  p_unbalanced boolean,
  p_mixed boolean,
  p_spread numeric,
  p_median numeric,
  p_tolerance numeric
)
returns text
language sql
immutable
parallel safe
return case
  when p_open then 'open-hold'
  when p_unsure then 'unknown-usage'
  when p_unbalanced then 'unbalanced'
  when p_mixed then 'mixed-units'
  when p_spread <= p_tolerance * p_median then null
  when p_median = 0 then 'zero-median'
  else 'over-tolerance'
end;
--! EndIncluded rules/gate_reason.sql
--! Included rules/gate_rank.sql
-- The place of a reason in the order in which reasons count; null for none. A worse verdict has the lower places, so the lowest reason of
-- several channels decides for all of them.
create or replace function ledger_private.gate_rank(p_reason text)
returns integer
language sql
immutable
parallel safe
return array_position(
  array['open-hold', 'unknown-usage', 'unbalanced', 'mixed-units', 'zero-median', 'over-tolerance'], p_reason
);
--! EndIncluded rules/gate_rank.sql
--! Included rules/gate_verdict.sql
-- The verdict that a reason stands for (ledger_private.gate_reason).
create or replace function ledger_private.gate_verdict(p_reason text)
returns text
language sql
immutable
parallel safe
return case
  when p_reason is null then 'equal'
  when p_reason in ('zero-median', 'over-tolerance') then 'unequal'
  else 'inconclusive'
end;
--! EndIncluded rules/gate_verdict.sql
--! Included views/run_costs.sql
-- What each run of an experiment cost, one row per run, and what stands in the way of comparing it: open holds, unknown and uncertain usage.
-- left_out: an infra run takes its (task, replicate) out of every arm, null being a value. open_holds: nodes of the run that have not ended,
-- below its root; the root too where the run stands under a parent pool. Pools of the run are walked, not its leaves.
create or replace view ledger.run_costs
with (security_invoker = true)
as
select
  r.tenant_id, r.experiment, r.arm, r.task, r.replicate, r.run_id,
  case when r.infra then 'infra' when r.beside_infra then 'paired' end as left_out,
  r.outcome, r.resolved, r.opened_at, p.token_charge,
  s.iterations as iterations, s.input_tokens as input_tokens, s.output_tokens as output_tokens, s.cache_read_tokens as cache_read_tokens,
  s.cache_write_tokens as cache_write_tokens, s.reasoning_tokens as reasoning_tokens, s.charged_tokens as charged_tokens,
  trim_scale(s.usd) as usd, s.ms as ms, s.uncertain_tokens as uncertain_tokens, s.uncertain_iterations as uncertain_iterations,
  trim_scale(s.uncertain_usd) as uncertain_usd, s.tokens_unknown = 0 as tokens_known, s.usd_unknown = 0 as usd_known,
  trim_scale(s.usd - s.uncertain_usd) as receipt_usd, trim_scale(s.uncertain_usd) as estimated_usd, s.usd_seals as unknown_usd_events,
  s.tokens_unknown as unknown_tokens_events,
  s.open_holds + case when p.parent_pool_id is not null and r.outcome is null then 1 else 0 end as open_holds,
  s.first_spend_at
from (
  select u.*, bool_or(u.infra) over (partition by u.tenant_id, u.experiment, u.task, u.replicate) as beside_infra
  from ledger_private.runs u
  where u.experiment is not null
) r
cross join lateral (
  select p.parent_pool_id, p.token_charge from ledger_private.pools p where p.tenant_id = r.tenant_id and p.pool_id = r.run_id offset 0
) p
cross join lateral (
  with recursive tree as (
    select r.run_id as pool_id
    union all
    select c.pool_id
    from tree t
    cross join lateral (
      select p.pool_id from ledger_private.pools p
      where p.tenant_id = r.tenant_id and p.parent_pool_id = t.pool_id
      offset 0
    ) c
  )
  select
    coalesce(sum(j.iterations), 0) as iterations, coalesce(sum(j.input_tokens), 0) as input_tokens,
    coalesce(sum(j.output_tokens), 0) as output_tokens, coalesce(sum(j.cache_read_tokens), 0) as cache_read_tokens,
    coalesce(sum(j.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(j.reasoning_tokens), 0) as reasoning_tokens,
    coalesce(sum(j.charged_tokens), 0) as charged_tokens, coalesce(sum(j.usd), 0) as usd, coalesce(sum(j.ms), 0) as ms,
    coalesce(sum(j.uncertain_tokens), 0) as uncertain_tokens, coalesce(sum(j.uncertain_iterations), 0) as uncertain_iterations,
    coalesce(sum(j.uncertain_usd), 0) as uncertain_usd, coalesce(sum(j.tokens_unknown), 0) as tokens_unknown,
    coalesce(sum(j.usd_unknown), 0) as usd_unknown, coalesce(sum(j.usd_seals), 0) as usd_seals,
    min(j.effective_at) filter (
      where j.charged_tokens > 0 or j.usd > 0 or not j.tokens_known or not j.usd_known or j.iterations > 0 or j.ms > 0
        or j.input_tokens > 0 or j.output_tokens > 0 or j.resources is not null
    ) as first_spend_at,
    (
      select coalesce(sum(h.open_holds), 0)
      from tree t
      cross join lateral (
        select h.open_holds from ledger_private.pool_heads h where h.tenant_id = r.tenant_id and h.pool_id = t.pool_id offset 0
      ) h
    ) as open_holds
  from tree t
  cross join lateral (
    select
      j.iterations, j.input_tokens, j.output_tokens, j.cache_read_tokens, j.cache_write_tokens, j.reasoning_tokens, j.charged_tokens, j.usd, j.ms,
      j.uncertain_tokens, j.uncertain_iterations, j.uncertain_usd, j.tokens_unknown, j.usd_unknown, j.usd_seals, j.effective_at, j.tokens_known,
      j.usd_known, j.resources
    from ledger_private.journal j
    where j.tenant_id = r.tenant_id and j.pool_id = t.pool_id
      and j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
    offset 0
  ) j
) s;
comment on view ledger.run_costs is 'What each run of an experiment cost, and whether it counts.';
comment on column ledger.run_costs.task is 'null: not stated';
comment on column ledger.run_costs.replicate is 'null: not stated';
comment on column ledger.run_costs.left_out is 'null: it counts; infra: judged so; paired: an infra run has the same task and replicate';
comment on column ledger.run_costs.outcome is 'null: not ended';
comment on column ledger.run_costs.resolved is 'null: not judged';
comment on column ledger.run_costs.first_spend_at is 'null: nothing spent';
revoke all on ledger.run_costs from public;
grant select on ledger.run_costs to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/run_costs.sql
--! Included views/arm_costs.sql
-- What the arms of experiments cost, one row per arm, over the runs that count (ledger.run_costs); what was left out stands apart.
-- errored: ended down or cancelled; judged and resolved runs are those that are not.
create or replace view ledger.arm_costs
with (security_invoker = true)
as
select
  c.tenant_id, c.experiment, c.arm,
  count(*) filter (where c.left_out is null) as runs, count(*) filter (where c.left_out is not null) as left_out_runs,
  coalesce(sum(c.iterations) filter (where c.left_out is null), 0) as iterations,
  coalesce(sum(c.input_tokens) filter (where c.left_out is null), 0) as input_tokens,
  coalesce(sum(c.output_tokens) filter (where c.left_out is null), 0) as output_tokens,
  coalesce(sum(c.cache_read_tokens) filter (where c.left_out is null), 0) as cache_read_tokens,
  coalesce(sum(c.cache_write_tokens) filter (where c.left_out is null), 0) as cache_write_tokens,
  coalesce(sum(c.reasoning_tokens) filter (where c.left_out is null), 0) as reasoning_tokens,
  coalesce(sum(c.charged_tokens) filter (where c.left_out is null), 0) as charged_tokens,
  trim_scale(coalesce(sum(c.usd) filter (where c.left_out is null), 0)) as usd,
  coalesce(sum(c.ms) filter (where c.left_out is null), 0) as ms,
  coalesce(sum(c.uncertain_tokens) filter (where c.left_out is null), 0) as uncertain_tokens,
  coalesce(sum(c.uncertain_iterations) filter (where c.left_out is null), 0) as uncertain_iterations,
  trim_scale(coalesce(sum(c.uncertain_usd) filter (where c.left_out is null), 0)) as uncertain_usd,
  coalesce(bool_and(c.tokens_known) filter (where c.left_out is null), true) as tokens_known,
  coalesce(bool_and(c.usd_known) filter (where c.left_out is null), true) as usd_known,
  trim_scale(coalesce(sum(c.receipt_usd) filter (where c.left_out is null), 0)) as receipt_usd,
  trim_scale(coalesce(sum(c.estimated_usd) filter (where c.left_out is null), 0)) as estimated_usd,
  coalesce(sum(c.unknown_usd_events) filter (where c.left_out is null), 0) as unknown_usd_events,
  coalesce(sum(c.unknown_tokens_events) filter (where c.left_out is null), 0) as unknown_tokens_events,
  coalesce(sum(c.open_holds) filter (where c.left_out is null), 0) as open_holds,
  case when min(c.token_charge) = max(c.token_charge) then min(c.token_charge) end as token_charge,
  count(*) filter (where c.left_out is null and c.resolved and c.outcome is distinct from 'down' and c.outcome is distinct from 'cancelled')
    as resolved_runs,
  count(*) filter (
    where c.left_out is null and c.resolved is not null and c.outcome is distinct from 'down' and c.outcome is distinct from 'cancelled'
  ) as judged_runs,
  count(*) filter (where c.left_out is null and c.outcome in ('down', 'cancelled')) as errored_runs,
  coalesce(sum(c.charged_tokens) filter (where c.left_out is not null), 0) as left_out_charged_tokens,
  trim_scale(coalesce(sum(c.usd) filter (where c.left_out is not null), 0)) as left_out_usd
from ledger.run_costs c
group by c.tenant_id, c.experiment, c.arm;
comment on view ledger.arm_costs is 'What the arms of experiments cost, over the runs that count.';
comment on column ledger.arm_costs.token_charge is 'null: mixed, its runs count tokens in different units';
revoke all on ledger.arm_costs from public;
grant select on ledger.arm_costs to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/arm_costs.sql
--! Included views/plans.sql
-- Plans of experiments: what was registered, where in the journal, and when by the server's clock.
create or replace view ledger.plans
with (security_invoker = true)
as
select p.tenant_id, p.experiment, p.plan_ref, p.pool_id, p.seq, p.registered_at, p.registered_by
from ledger_private.plans p;
comment on view ledger.plans is 'Plans of experiments, as registered; the bytes are the blob of plan_ref.';
revoke all on ledger.plans from public;
grant select on ledger.plans to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/plans.sql
--! Included private/gate_nodes.sql
-- The nodes of runs that keep a gate from a verdict: not ended, or with usage that is unknown or uncertain, by channel.
create or replace function ledger_private.gate_nodes(p_tenant_id text, p_run_ids text[])
returns table (
  run_id text,
  node_id text,
  open boolean,
  tokens boolean,
  usd boolean
)
language plpgsql
stable
rows 1000
as $$
begin
  return query
  select r.run_id, x.node_id, bool_or(x.open), bool_or(x.tokens), bool_or(x.usd)
  from unnest(p_run_ids) r (run_id)
  cross join lateral (
    with recursive tree as (
      select r.run_id as pool_id
      union all
      select c.pool_id
      from tree t
      cross join lateral (
        select p.pool_id from ledger_private.pools p
        where p.tenant_id = p_tenant_id and p.parent_pool_id = t.pool_id
        offset 0
      ) c
    )
    select n.node_id, true as open, false as tokens, false as usd
    from tree t
    cross join lateral (
      select h.open_holds from ledger_private.pool_heads h where h.tenant_id = p_tenant_id and h.pool_id = t.pool_id offset 0
    ) h
    cross join lateral (
      select n.node_id from ledger_private.nodes n
      where n.tenant_id = p_tenant_id and n.parent_node_id = t.pool_id and n.ended_at is null and h.open_holds > 0
      offset 0
    ) n
    union all
    select n.node_id, true, false, false
    from ledger_private.nodes n
    where n.tenant_id = p_tenant_id and n.node_id = r.run_id and n.parent_node_id is not null and n.ended_at is null
    union all
    select
      j.node_id, false, coalesce(sum(j.tokens_unknown), 0) <> 0 or coalesce(sum(j.uncertain_tokens), 0) <> 0,
      coalesce(sum(j.usd_unknown), 0) <> 0 or coalesce(sum(j.uncertain_usd), 0) <> 0
    from tree t
    cross join lateral (
      select j.* from ledger_private.journal j
      where j.tenant_id = p_tenant_id and j.pool_id = t.pool_id
        and j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
      offset 0
    ) j
    group by j.node_id
  ) x
  where x.open or x.tokens or x.usd
  group by r.run_id, x.node_id;
end;
$$;
--! EndIncluded private/gate_nodes.sql
--! Included private/gate_troubles.sql
-- What keeps runs from a verdict, per part, arm and channel: the ids of the nodes (ledger_private.gate_nodes), 100 at most, and how many there are.
-- Each run comes with the part and the arm it belongs to.
create or replace function ledger_private.gate_troubles(
  p_tenant_id text,
  p_run_ids text[],
  p_parts text[],
  p_arms text[]
)
returns table (
  part text,
  arm text,
  channel text,
  nodes jsonb,
  nodes_total bigint
)
language plpgsql
stable
as $$
begin
  return query
  select r.part, r.arm, h.channel, to_jsonb((array_agg(n.node_id order by n.node_id collate "C"))[:100]), count(*)
  from ledger_private.gate_nodes(p_tenant_id, p_run_ids) n
  join unnest(p_run_ids, p_parts, p_arms) r (run_id, part, arm) on r.run_id = n.run_id
  cross join (values ('tokens'), ('usd'), ('all')) h (channel)
  where n.open or (n.tokens and h.channel <> 'usd') or (n.usd and h.channel <> 'tokens')
  group by r.part, r.arm, h.channel;
end;
$$;
--! EndIncluded private/gate_troubles.sql
--! Included private/gate_costs.sql
-- The runs of an experiment as a gate takes them, each with the part of it that it belongs to: '' for the whole and for runs without a task, else
-- '=' and the task. unsure: usage that is unknown or uncertain on the channel; estimated: charged without a receipt; unknown: events of unknown
-- usage, for dollars those for which nothing is charged. cell: task and replicate in one text, told apart by what no id can hold.
create or replace function ledger_private.gate_costs(p_tenant_id text, p_experiment text, p_by_task boolean)
returns table (
  part text,
  arm text,
  task text,
  replicate text,
  run_id text,
  left_out text,
  token_charge text,
  tokens numeric,
  usd numeric,
  iterations numeric,
  ms numeric,
  open_holds bigint,
  tokens_unsure boolean,
  usd_unsure boolean,
  tokens_estimated numeric,
  usd_estimated numeric,
  tokens_unknown bigint,
  usd_unknown bigint,
  first_spend_at timestamptz,
  cell text
)
language plpgsql
stable
as $$
begin
  return query
  select
    case when p_by_task then coalesce('=' || c.task, '') else '' end, c.arm, c.task, c.replicate, c.run_id, c.left_out, c.token_charge,
    c.charged_tokens, c.usd, c.iterations, c.ms, c.open_holds,
    not c.tokens_known or c.uncertain_tokens <> 0, not c.usd_known or c.uncertain_usd <> 0,
    c.uncertain_tokens, c.uncertain_usd, c.unknown_tokens_events::bigint, c.unknown_usd_events::bigint,
    c.first_spend_at, (coalesce('=' || c.task, '') || chr(1) || coalesce('=' || c.replicate, '')) collate "C"
  from ledger.run_costs c
  where c.tenant_id = p_tenant_id and c.experiment = p_experiment;
end;
$$;
--! EndIncluded private/gate_costs.sql
--! Included private/gate_sides.sql
-- What a gate compares, one row per part of the experiment (the whole, or a task), arm and channel (tokens, usd, all): the cost of the runs that
-- count, what is open or unsure about them, and what was left out. doubt: as ledger_private.gate_doubt. cells: different (task, replicate) of the
-- arm; part_cells: of all arms. part: as in ledger_private.gate_costs. A part has rows if a run of it counts, and then for every arm.
-- first_spend_at: of the whole experiment, what was left out too.
create or replace function ledger_private.gate_sides(p_tenant_id text, p_experiment text, p_by_task boolean)
returns table (
  part text,
  arm text,
  channel text,
  runs bigint,
  amount numeric,
  cost jsonb,
  cells bigint,
  part_cells bigint,
  open_holds numeric,
  unsure bigint,
  doubt jsonb,
  unit_low text,
  unit_high text,
  nodes jsonb,
  nodes_total bigint,
  left_out jsonb,
  first_spend_at timestamptz
)
language plpgsql
stable
as $$
begin
  return query
  with costs as materialized (select * from ledger_private.gate_costs(p_tenant_id, p_experiment, p_by_task)),
  kept as (
    select
      c.part, c.arm, count(*) as runs, sum(c.tokens) as tokens, sum(c.usd) as usd, sum(c.iterations) as iterations, sum(c.ms) as ms,
      sum(c.open_holds) as open_holds, count(*) filter (where c.tokens_unsure) as tokens_unsure,
      count(*) filter (where c.usd_unsure) as usd_unsure, min(c.token_charge) as unit_low, max(c.token_charge) as unit_high,
      count(distinct c.cell) as cells, sum(c.tokens_estimated) as tokens_estimated, sum(c.usd_estimated) as usd_estimated,
      sum(c.tokens_unknown) as tokens_unknown, sum(c.usd_unknown) as usd_unknown
    from costs c where c.left_out is null group by c.part, c.arm
  ),
  parts as (
    select c.part, count(distinct c.cell) as cells from costs c where c.left_out is null group by c.part
  ),
  listed as (
    select c.part, c.arm, h.channel, jsonb_agg(jsonb_build_object(
      'run_id', c.run_id, 'task', c.task, 'replicate', c.replicate, 'reason', c.left_out,
      'cost', ledger_private.gate_cost(h.channel, c.tokens, c.usd, c.iterations, c.ms)
    ) order by c.run_id collate "C") as left_out
    from costs c cross join (values ('tokens'), ('usd'), ('all')) h (channel)
    where c.left_out is not null group by c.part, c.arm, h.channel
  ),
  troubled as (
    select t.*
    from (
      select array_agg(c.run_id) as run_ids, array_agg(c.part) as parts, array_agg(c.arm) as arms
      from costs c where c.left_out is null and (c.open_holds > 0 or c.tokens_unsure or c.usd_unsure)
    ) u
    cross join lateral ledger_private.gate_troubles(p_tenant_id, u.run_ids, u.parts, u.arms) t
  )
  select
    p.part, a.arm, h.channel, coalesce(k.runs, 0), case h.channel when 'tokens' then coalesce(k.tokens, 0) when 'usd' then coalesce(k.usd, 0) end,
    ledger_private.gate_cost(h.channel, k.tokens, k.usd, k.iterations, k.ms), coalesce(k.cells, 0), p.cells, coalesce(k.open_holds, 0),
    coalesce(case h.channel when 'tokens' then k.tokens_unsure when 'usd' then k.usd_unsure end, 0),
    ledger_private.gate_doubt(h.channel, k.tokens_estimated, k.tokens_unknown, k.usd_estimated, k.usd_unknown), k.unit_low, k.unit_high,
    coalesce(t.nodes, '[]'), coalesce(t.nodes_total, 0), coalesce(l.left_out, '[]'), f.first_spend_at
  from parts p
  cross join (select min(c.first_spend_at) as first_spend_at from costs c) f
  cross join (select distinct c.arm from costs c) a
  cross join (values ('tokens'), ('usd'), ('all')) h (channel)
  left join kept k on k.part = p.part and k.arm = a.arm
  left join listed l on l.part = p.part and l.arm = a.arm and l.channel = h.channel
  left join troubled t on t.part = p.part and t.arm = a.arm and t.channel = h.channel;
end;
$$;
--! EndIncluded private/gate_sides.sql
--! Included private/gate_plan.sql
-- The plan of an experiment as its gate shows it, or null: whether some spend of its runs, those left out too, happened before or with it.
-- Spend counts by its effective_at: work dispatched before the plan and settled after it came after. registered_at is the server's clock when the
-- operation was done; it was seen by others when that transaction was committed, which who may write SQL can put off.
create or replace function ledger_private.gate_plan(p_tenant_id text, p_experiment text, p_first_spend_at timestamptz)
returns jsonb
language plpgsql
stable
as $$
declare
  v_plan ledger_private.plans;
  v_operation_id text;
begin
  select p.* into v_plan from ledger_private.plans p where p.tenant_id = p_tenant_id and p.experiment = p_experiment;
  if not found then
    return null;
  end if;
  select j.operation_id into v_operation_id
  from ledger_private.journal j where j.tenant_id = p_tenant_id and j.pool_id = v_plan.pool_id and j.seq = v_plan.seq;
  return jsonb_build_object(
    'plan_ref', v_plan.plan_ref, 'registered_at', v_plan.registered_at, 'operation_id', v_operation_id,
    'spend_first', coalesce(p_first_spend_at <= v_plan.registered_at, false), 'first_spend_at', p_first_spend_at
  );
end;
$$;
--! EndIncluded private/gate_plan.sql
--! Included private/gate.sql
-- The verdicts of an experiment, whole (p_by_task false: task is null) or task by task: three rows each, tokens, usd, all. `all` is decided by the
-- worst reason of the two. Spread, median and fraction are null for it, and where arms count tokens in different units.
-- Raises: LG001 (p_tolerance), LG010.
create or replace function ledger_private.gate(
  p_tenant_id text,
  p_experiment text,
  p_tolerance numeric,
  p_by_task boolean
)
returns table (
  task text,
  channel text,
  verdict text,
  spread numeric,
  median numeric,
  fraction numeric,
  tolerance numeric,
  reason text,
  arms jsonb,
  plan jsonb
)
language plpgsql
stable
as $$
begin
  if (p_tolerance between 0 and 1) is not true then
    perform ledger_private.raise_error('LG001', '{"path": "p_tolerance", "rule": "must be a number from 0 to 1"}');
  end if;
  return query
  with seen as materialized (select * from ledger_private.gate_sides(p_tenant_id, p_experiment, p_by_task)),
  sides as (
    select
      s.part, s.channel, array_agg(s.amount order by s.amount) as amounts, bool_or(s.open_holds > 0) as open, bool_or(s.unsure > 0) as unsure,
      bool_or(s.cells <> s.part_cells) as unbalanced, s.channel <> 'usd' and min(s.unit_low) <> max(s.unit_high) as mixed,
      jsonb_agg(jsonb_build_object(
        'arm', s.arm, 'runs', s.runs, 'cost', s.cost, 'open_holds', s.open_holds, 'nodes', s.nodes, 'nodes_total', s.nodes_total,
        'left_out', s.left_out
      ) || s.doubt order by s.arm collate "C") as arms
    from seen s
    group by s.part, s.channel
  ),
  compared as (
    select s.*, case when s.channel <> 'all' then ledger_private.gate_reason(
      s.open, s.unsure, s.unbalanced, s.mixed, s.amounts[cardinality(s.amounts)] - s.amounts[1], ledger_private.median_of(s.amounts), p_tolerance
    ) end as reason
    from sides s
  ),
  decided as (
    select
      c.part, c.channel, c.arms, m.spread, m.median,
      case when c.channel <> 'all' then c.reason else first_value(c.reason) over (
        partition by c.part order by ledger_private.gate_rank(c.reason) nulls last
      ) end as reason
    from compared c
    cross join lateral (
      select
        case when not c.mixed then c.amounts[cardinality(c.amounts)] - c.amounts[1] end as spread,
        case when not c.mixed then ledger_private.median_of(c.amounts) end as median
      offset 0
    ) m
  )
  select
    substr(nullif(d.part, ''), 2), d.channel, ledger_private.gate_verdict(d.reason), trim_scale(d.spread), d.median,
    ledger_private.fraction_of(d.spread, d.median), trim_scale(p_tolerance), d.reason, d.arms, n.plan
  from decided d
  cross join (select ledger_private.gate_plan(p_tenant_id, p_experiment, min(s.first_spend_at)) as plan from seen s) n
  order by d.part collate "C", array_position(array['tokens', 'usd', 'all'], d.channel);
  if not found then
    perform ledger_private.raise_error('LG010', jsonb_build_object('experiment', p_experiment));
  end if;
end;
$$;
--! EndIncluded private/gate.sql
--! Included functions/equal_k.sql
-- Whether the arms of an experiment cost the same within a tolerance: rows tokens, usd and all (the worst of the two; its spread, median and
-- fraction are null). reason, the first that applies: open-hold, unknown-usage, unbalanced, mixed-units (all inconclusive), zero-median,
-- over-tolerance (unequal), or null (equal). arms: per arm its cost (on a channel with
-- what of it is estimated, and events unknown), what is open or unsure, what was left out; plan: null, or what was registered.
-- Raises: LG009, LG012, LG001 (p_tolerance), LG010.
create or replace function ledger.equal_k(
  p_tenant_id text,
  p_experiment text,
  p_tolerance numeric default 0.05
)
returns table (
  channel text,
  verdict text,
  spread numeric,
  median numeric,
  fraction numeric,
  tolerance numeric,
  reason text,
  arms jsonb,
  plan jsonb
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  return query
  select g.channel, g.verdict, g.spread, g.median, g.fraction, g.tolerance, g.reason, g.arms, g.plan
  from ledger_private.gate(p_tenant_id, p_experiment, p_tolerance, false) g;
end;
$$;
comment on function ledger.equal_k(text, text, numeric) is 'Whether arms cost the same within a tolerance: per channel and for all.';
revoke all on function ledger.equal_k(text, text, numeric) from public;
grant execute on function ledger.equal_k(text, text, numeric) to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded functions/equal_k.sql
--! Included functions/equal_k_by_task.sql
-- ledger.equal_k task by task, over all arms of the experiment: a task that only some arms have is unbalanced. task is null for the runs that state
-- none. A task of which no run counts has no rows.
-- Raises: LG009, LG012, LG001 (p_tolerance), LG010.
create or replace function ledger.equal_k_by_task(
  p_tenant_id text,
  p_experiment text,
  p_tolerance numeric default 0.05
)
returns table (
  task text,
  channel text,
  verdict text,
  spread numeric,
  median numeric,
  fraction numeric,
  tolerance numeric,
  reason text,
  arms jsonb,
  plan jsonb
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  return query
  select g.task, g.channel, g.verdict, g.spread, g.median, g.fraction, g.tolerance, g.reason, g.arms, g.plan
  from ledger_private.gate(p_tenant_id, p_experiment, p_tolerance, true) g;
end;
$$;
comment on function ledger.equal_k_by_task(text, text, numeric) is 'Whether arms cost the same within a tolerance, task by task.';
revoke all on function ledger.equal_k_by_task(text, text, numeric) from public;
grant execute on function ledger.equal_k_by_task(text, text, numeric) to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded functions/equal_k_by_task.sql
--! Included private/assert_arms.sql
-- LG001 where one of two arms is not among the arms of a gate (jsonb, each with its name under `arm`).
create or replace function ledger_private.assert_arms(p_arms jsonb, p_arm_a text, p_arm_b text)
returns void
language plpgsql
as $$
declare
  v_path text;
begin
  v_path := case
    when not coalesce(p_arms @> jsonb_build_array(jsonb_build_object('arm', p_arm_a)), false) then 'p_arm_a'
    when not coalesce(p_arms @> jsonb_build_array(jsonb_build_object('arm', p_arm_b)), false) then 'p_arm_b'
  end;
  if v_path is not null then
    perform ledger_private.raise_error('LG001', jsonb_build_object('path', v_path, 'rule', 'is no arm of the experiment'));
  end if;
end;
$$;
--! EndIncluded private/assert_arms.sql
--! Included private/paired_runs.sql
-- How the runs of two arms ended, run by run of those that count: the last run of each (task, replicate) in an arm (by opening, then by id), its
-- pair in the other arm by the same (task, replicate), null being a value. state: resolved, unresolved, errored (ended down or cancelled), unjudged.
create or replace function ledger_private.paired_runs(
  p_tenant_id text,
  p_experiment text,
  p_arm_a text,
  p_arm_b text
)
returns table (
  state_a text,
  state_b text
)
language plpgsql
stable
as $$
begin
  return query
  with ended as (
    select distinct on (c.arm, c.task, c.replicate)
      c.arm, to_jsonb(array[c.task, c.replicate]) as cell,
      case
        when c.outcome in ('down', 'cancelled') then 'errored'
        when c.resolved is null then 'unjudged'
        when c.resolved then 'resolved'
        else 'unresolved'
      end as state
    from ledger.run_costs c
    where c.tenant_id = p_tenant_id and c.experiment = p_experiment and c.left_out is null
    order by c.arm, c.task, c.replicate, c.opened_at desc, c.run_id collate "C" desc
  )
  select a.state, b.state
  from (select e.cell, e.state from ended e where e.arm = p_arm_a) a
  full join (select e.cell, e.state from ended e where e.arm = p_arm_b) b on b.cell = a.cell;
end;
$$;
--! EndIncluded private/paired_runs.sql
--! Included private/outcomes_of.sql
-- The paired outcomes of two arms, counted (ledger_private.paired_runs).
create or replace function ledger_private.outcomes_of(
  p_tenant_id text,
  p_experiment text,
  p_arm_a text,
  p_arm_b text
)
returns table (
  runs_a bigint,
  runs_b bigint,
  errored_a bigint,
  errored_b bigint,
  unjudged_a bigint,
  unjudged_b bigint,
  resolved_a bigint,
  resolved_b bigint,
  both_resolved bigint,
  only_a bigint,
  only_b bigint,
  neither bigint
)
language plpgsql
stable
rows 1
as $$
begin
  return query
  select
    count(p.state_a), count(p.state_b),
    count(*) filter (where p.state_a = 'errored'), count(*) filter (where p.state_b = 'errored'),
    count(*) filter (where p.state_a = 'unjudged'), count(*) filter (where p.state_b = 'unjudged'),
    count(*) filter (where p.state_a = 'resolved'), count(*) filter (where p.state_b = 'resolved'),
    count(*) filter (where p.state_a = 'resolved' and p.state_b = 'resolved'),
    count(*) filter (where p.state_a = 'resolved' and p.state_b = 'unresolved'),
    count(*) filter (where p.state_a = 'unresolved' and p.state_b = 'resolved'),
    count(*) filter (where p.state_a = 'unresolved' and p.state_b = 'unresolved')
  from ledger_private.paired_runs(p_tenant_id, p_experiment, p_arm_a, p_arm_b) p;
end;
$$;
--! EndIncluded private/outcomes_of.sql
--! Included functions/compare_arms.sql
-- The outcomes of two arms beside each other, only where the experiment's gate is equal for `all`; else everything but verdict and reason is null.
-- Counted are the runs that count, the last one of each (task, replicate) in an arm. errored: ended down or cancelled; rate: resolved of those
-- resolved or not. Pairs are judged on both sides and errored on none; p_value: exact two-sided sign test on those where only one resolved.
-- Raises: LG009, LG012, LG001 (p_tolerance), LG010, LG001 (an arm that is not there).
create or replace function ledger.compare_arms(
  p_tenant_id text,
  p_experiment text,
  p_arm_a text,
  p_arm_b text,
  p_tolerance numeric default 0.05
)
returns table (
  experiment text,
  arm_a text,
  arm_b text,
  verdict text,
  reason text,
  runs_a bigint,
  runs_b bigint,
  errored_a bigint,
  errored_b bigint,
  unjudged_a bigint,
  unjudged_b bigint,
  resolved_a bigint,
  resolved_b bigint,
  rate_a numeric,
  rate_b numeric,
  pairs bigint,
  both_resolved bigint,
  only_a bigint,
  only_b bigint,
  neither bigint,
  p_value numeric
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_gate record;
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  select g.verdict, g.reason, g.arms into v_gate
  from ledger_private.gate(p_tenant_id, p_experiment, p_tolerance, false) g where g.channel = 'all';
  perform ledger_private.assert_arms(v_gate.arms, p_arm_a, p_arm_b);
  return query
  select
    p_experiment, p_arm_a, p_arm_b, v_gate.verdict, v_gate.reason, c.runs_a, c.runs_b, c.errored_a, c.errored_b, c.unjudged_a, c.unjudged_b,
    c.resolved_a, c.resolved_b, ledger_private.fraction_of(c.resolved_a, c.runs_a - c.errored_a - c.unjudged_a),
    ledger_private.fraction_of(c.resolved_b, c.runs_b - c.errored_b - c.unjudged_b),
    c.both_resolved + c.only_a + c.only_b + c.neither, c.both_resolved, c.only_a, c.only_b, c.neither,
    ledger_private.sign_test(c.only_a, c.only_b)
  from (select) one
  left join ledger_private.outcomes_of(p_tenant_id, p_experiment, p_arm_a, p_arm_b) c on v_gate.verdict = 'equal';
end;
$$;
comment on function ledger.compare_arms(text, text, text, text, numeric) is 'Outcomes of two arms, paired; refused unless the gate is equal.';
revoke all on function ledger.compare_arms(text, text, text, text, numeric) from public;
grant execute on function ledger.compare_arms(text, text, text, text, numeric) to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded functions/compare_arms.sql

-- Audits
create table if not exists ledger_private.retries (
  tenant_id text not null,
  hour timestamptz not null,
  role_name text not null,
  retries bigint not null,
  constraint retries_pkey primary key (tenant_id, hour, role_name),
  constraint retries_tenant_fkey foreign key (tenant_id) references ledger_private.tenants (tenant_id),
  constraint retries_positive check (retries > 0)
);
comment on table ledger_private.retries is 'Calls that clients had to repeat, as they said, per hour (its beginning, UTC) and login role; 30 days of it.';
drop function if exists ledger.balance_at(text, text, timestamptz);
--! Included private/sums_until.sql
-- What the journal of a pool says of each channel up to an instant, by recorded or by effective time: sums without the remainders of seals, which
-- depend on what else counts. Held is summed per node and never below 0: a hold whose ending is dated before it never was.
create or replace function ledger_private.sums_until(
  p_tenant_id text,
  p_pool_id text,
  p_at timestamptz,
  p_effective boolean
)
returns table (
  channel text,
  funded numeric,
  held numeric,
  spent numeric,
  uncertain numeric,
  seals bigint
)
language plpgsql
stable
as $$
begin
  return query
    select n.channel, sum(n.funded), sum(greatest(n.held, 0)), sum(n.spent), sum(n.uncertain), sum(n.seals)::bigint
    from (
      select
        m.channel, coalesce(sum(m.funded), 0) as funded, coalesce(sum(m.held), 0) as held, coalesce(sum(m.spent), 0) as spent,
        coalesce(sum(m.uncertain), 0) as uncertain, coalesce(sum(m.seals), 0) as seals
      from ledger_private.journal j
      cross join lateral (
        select
          'tokens' as channel, j.tokens_funded as funded, j.tokens_held as held, j.tokens_spent as spent,
          j.tokens_uncertain as uncertain, 0 as seals
        union all
        select 'iterations', j.iterations_funded, j.iterations_held, j.iterations_spent, j.iterations_uncertain, 0
        union all
        select 'usd', j.usd_funded, j.usd_held, j.usd_spent, j.usd_uncertain, j.usd_seals
        union all
        select
          r.key, (r.value -> 'funded')::numeric, (r.value -> 'held')::numeric, (r.value -> 'spent')::numeric,
          (r.value -> 'uncertain')::numeric, 0
        from jsonb_each(j.resource_moves) r
      ) m
      where j.tenant_id = p_tenant_id and j.pool_id = p_pool_id
        and case when p_effective then j.effective_at else j.recorded_at end <= p_at
      -- Only rows that hold are told apart by node: all others are one group.
      group by m.channel, case when m.held <> 0 then j.node_id end
    ) n
    group by n.channel;
end;
$$;
--! EndIncluded private/sums_until.sql
--! Included functions/balance_at.sql
-- The channels of a pool as of an instant, from the journal. p_by: `recorded`, what the ledger knew then (recorded_at <= p_at), or `effective`,
-- what had happened by then as far as is known now (effective_at <= p_at): a fact that came late changes the second and never the first. No rows
-- before the pool was opened by that time. Sums of what is dated: a hold that ended, by effective time, before it began never was; a correction
-- counts from its own effective_at, and where that is before what it corrects, amounts may be negative in between. What a seal adds is worked out
-- for the instant: while an unknown event is uncorrected, everything neither held nor known to be spent.
-- Raises: LG009, LG012, LG001 (null, or another p_by).
create or replace function ledger.balance_at(
  p_tenant_id text,
  p_pool_id text,
  p_at timestamptz,
  p_by text default 'recorded'
)
returns table (
  tenant_id text,
  pool_id text,
  channel text,
  unit text,
  capped boolean,
  total numeric,
  free numeric,
  reserved numeric,
  committed numeric,
  uncertain numeric
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_missing constant text := case when p_pool_id is null then 'p_pool_id' when p_at is null then 'p_at' end;
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  if v_missing is not null then
    perform ledger_private.raise_error('LG001', jsonb_build_object('path', v_missing, 'rule', 'is required'));
  elsif p_by is null or p_by not in ('recorded', 'effective') then
    perform ledger_private.raise_error('LG001', '{"path": "p_by", "rule": "must be recorded or effective"}');
  end if;
  return query
    select
      c.tenant_id, c.pool_id, c.channel, c.unit, c.total is not null,
      case when c.total is not null then trim_scale(s.funded) end,
      case when c.total is not null then trim_scale(s.funded - s.held - s.spent - r.remainder) end,
      trim_scale(s.held), trim_scale(s.spent + r.remainder), trim_scale(s.uncertain + r.remainder)
    from ledger_private.pools p
    join ledger_private.channels c on c.tenant_id = p.tenant_id and c.pool_id = p.pool_id
    left join ledger_private.sums_until(p_tenant_id, p_pool_id, p_at, p_by = 'effective') f on f.channel = c.channel
    cross join lateral (
      select
        coalesce(f.funded, 0) as funded, coalesce(f.held, 0) as held, coalesce(f.spent, 0) as spent, coalesce(f.uncertain, 0) as uncertain,
        coalesce(f.seals, 0) as seals
    ) s
    cross join lateral (
      select
        case when s.seals > 0 and c.total is not null and p.unknown_usd = 'seal' then greatest(0, s.funded - s.held - s.spent) else 0 end
          as remainder
    ) r
    where p.tenant_id = p_tenant_id and p.pool_id = p_pool_id and exists (
      select from ledger_private.journal o
      where o.tenant_id = p.tenant_id and o.pool_id = p.pool_id and o.seq = 1
        and case when p_by = 'effective' then o.effective_at else o.recorded_at end <= p_at
    )
    order by ledger_private.channel_order(c.channel), c.channel collate "C";
end;
$$;
comment on function ledger.balance_at(text, text, timestamptz, text) is
  'The channels of a pool as of an instant, by recorded or by effective time, summed from the journal.';
revoke all on function ledger.balance_at(text, text, timestamptz, text) from public;
grant execute on function ledger.balance_at(text, text, timestamptz, text) to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded functions/balance_at.sql
--! Included functions/note_retries.sql
-- A client's own count of what it had to ask again since it last said so (conflicts, lost connections), added to the hour and the login role. What
-- is older than 30 days goes in the same call. It is about calls, not about money: no operation, no journal row, any isolation.
-- Raises: LG009, LG012, LG001 (p_retries).
create or replace function ledger.note_retries(
  p_tenant_id text,
  p_retries integer
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_hour constant timestamptz := date_trunc('hour', clock_timestamp(), 'UTC');
  v_role constant text := session_user;
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  if p_retries is null or p_retries < 1 then
    perform ledger_private.raise_error('LG001', '{"path": "p_retries", "rule": "must be a whole number from 1"}');
  end if;
  insert into ledger_private.retries (tenant_id, hour, role_name, retries) values (p_tenant_id, v_hour, v_role, p_retries)
  on conflict on constraint retries_pkey do update set retries = ledger_private.retries.retries + excluded.retries;
  delete from ledger_private.retries r where r.tenant_id = p_tenant_id and r.hour < v_hour - interval '30 days';
end;
$$;
comment on function ledger.note_retries(text, integer) is 'Adds to the count of calls that a client of the tenant had to repeat.';
revoke all on function ledger.note_retries(text, integer) from public;
grant execute on function ledger.note_retries(text, integer) to ledger_admin, ledger_writer;
--! EndIncluded functions/note_retries.sql
--! Included views/usage_by_tool.sql
-- What was spent in turns in which a tool was called. A turn is a metered event, net of its corrections; tools are those of its `tool_calls` and
-- of its corrections' (names seen only later). calls: how often; events: turns. A turn that called several tools counts whole in each of them: the
-- usage of a row is true, the sum over tools is not what was spent. usd is null only where nothing of it is known; an event that was corrected is
-- as known as its last correction.
-- Pools are few beside their journals: filters on tenant and run pick the pools, each of which is read once.
create or replace view ledger.usage_by_tool
with (security_invoker = true)
as
select
  p.tenant_id, p.run_id, t.tool, sum(t.calls)::bigint as calls, count(*) as events,
  sum(t.charged_tokens) as charged_tokens, trim_scale(sum(t.usd)) as usd,
  bool_and(t.tokens_known) as tokens_known, bool_and(t.usd_known) as usd_known,
  min(t.effective_at) as first_at, max(t.effective_at) as last_at
from ledger_private.pools p
cross join lateral (
  select c.tool, c.calls, u.charged_tokens, u.usd, u.tokens_known, u.usd_known, u.effective_at
  from (
    select coalesce(j.corrects_seq, j.seq) as seq, n.tool, count(*) as calls
    from ledger_private.journal j
    cross join lateral jsonb_array_elements_text(j.tool_calls) n (tool)
    where j.tenant_id = p.tenant_id and j.pool_id = p.pool_id and j.source_pool_id is null and j.tool_calls is not null
    group by 1, 2
  ) c
  cross join lateral (
    select
      coalesce(e.charged_tokens, 0) + coalesce(k.charged_tokens, 0) as charged_tokens,
      case when e.usd is not null or k.usd is not null then coalesce(e.usd, 0) + coalesce(k.usd, 0) end as usd,
      coalesce(k.tokens_known, e.tokens_known, true) as tokens_known, coalesce(k.usd_known, e.usd_known, true) as usd_known, e.effective_at
    from ledger_private.journal e
    cross join lateral (
      select
        sum(x.charged_tokens) as charged_tokens, sum(x.usd) as usd,
        (array_agg(x.tokens_known order by x.seq desc))[1] as tokens_known, (array_agg(x.usd_known order by x.seq desc))[1] as usd_known
      from ledger_private.journal x
      where x.tenant_id = p.tenant_id and x.pool_id = p.pool_id and x.corrects_seq = c.seq
    ) k
    where e.tenant_id = p.tenant_id and e.pool_id = p.pool_id and e.seq = c.seq
    offset 0
  ) u
  offset 0
) t
group by p.tenant_id, p.run_id, t.tool;
comment on view ledger.usage_by_tool is 'Usage of the turns in which a tool was called; a turn with several tools counts in each.';
comment on column ledger.usage_by_tool.run_id is 'null: outside any run';
comment on column ledger.usage_by_tool.usd is 'null: nothing of it is known';
revoke all on ledger.usage_by_tool from public;
grant select on ledger.usage_by_tool to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/usage_by_tool.sql
--! Included views/health.sql
-- One row per tenant: what is open, what waits, and how much of what was spent nobody reported.
-- leases_passed: pools in which a lease may have passed, by pool_heads.next_lease_at, which no open hold's lease is before. Shares are from 0 to 1.
-- unknown_..._share: events that booked a spend and whose usage nobody has reported, estimated or corrected, of all events that booked one;
-- uncertain_..._share: charged without a receipt (a ceiling, an estimate), of all that was charged. refusals_24h: as long as operations are kept;
-- retries_24h: repetitions that clients reported in the last 24 hours, by whole hours.
create or replace view ledger.health
with (security_invoker = true)
as
select
  t.tenant_id, p.open_pools, c.sealed_channels, p.frozen_pools, h.open_holds, o.spawned_at as oldest_hold_at, o.node_id as oldest_hold_node_id,
  trunc(extract(epoch from statement_timestamp() - o.spawned_at) * 1000)::bigint as oldest_hold_ms, h.leases_passed, h.events,
  trim_scale(round(j.unknown_tokens / nullif(j.spends, 0), 6)) as unknown_tokens_share,
  trim_scale(round(j.unknown_usd / nullif(j.spends, 0), 6)) as unknown_usd_share,
  trim_scale(round(j.uncertain_tokens / nullif(j.charged_tokens, 0), 6)) as uncertain_tokens_share,
  trim_scale(round(j.uncertain_usd / nullif(j.usd, 0), 6)) as uncertain_usd_share, r.refusals_24h, n.retries_24h
from ledger_private.tenants t
cross join lateral (
  select count(*) filter (where p.state = 'open') as open_pools, count(*) filter (where p.state = 'frozen') as frozen_pools
  from ledger_private.pools p where p.tenant_id = t.tenant_id
) p
cross join lateral (
  select count(*) as sealed_channels from ledger_private.channels c where c.tenant_id = t.tenant_id and c.seals > 0
) c
cross join lateral (
  select
    coalesce(sum(h.open_holds), 0)::bigint as open_holds, coalesce(sum(h.seq), 0)::bigint as events,
    count(*) filter (where h.open_holds > 0 and h.next_lease_at <= statement_timestamp()) as leases_passed
  from ledger_private.pool_heads h where h.tenant_id = t.tenant_id
) h
left join lateral (
  select n.node_id, n.spawned_at
  from ledger_private.pool_heads h
  cross join lateral (
    select n.node_id, n.spawned_at from ledger_private.nodes n
    where n.tenant_id = h.tenant_id and n.parent_node_id = h.pool_id and n.ended_at is null
    offset 0
  ) n
  where h.tenant_id = t.tenant_id and h.open_holds > 0
  order by n.spawned_at, n.node_id
  limit 1
) o on true
cross join lateral (
  select
    (count(*) filter (where j.kind <> 'corrected'))::numeric as spends,
    coalesce(sum(j.tokens_unknown), 0) as unknown_tokens, coalesce(sum(j.usd_seals), 0) as unknown_usd,
    sum(j.charged_tokens) as charged_tokens, coalesce(sum(j.uncertain_tokens), 0) as uncertain_tokens,
    sum(j.usd) as usd, coalesce(sum(j.uncertain_usd), 0) as uncertain_usd
  from ledger_private.journal j
  where j.tenant_id = t.tenant_id and j.source_pool_id is null and j.iterations is not null
    and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
) j
cross join lateral (
  select count(*) as refusals_24h
  from ledger_private.operations o
  where o.tenant_id = t.tenant_id and o.code is not null and o.at > statement_timestamp() - interval '24 hours'
) r
cross join lateral (
  select coalesce(sum(n.retries), 0)::bigint as retries_24h
  from ledger_private.retries n
  where n.tenant_id = t.tenant_id and n.hour > statement_timestamp() - interval '24 hours'
) n;
comment on view ledger.health is 'One row per tenant: what is open, what waits, and what of its spend is unknown or uncertain.';
comment on column ledger.health.oldest_hold_at is 'null: no open hold';
comment on column ledger.health.oldest_hold_node_id is 'null: no open hold';
comment on column ledger.health.oldest_hold_ms is 'null: no open hold';
comment on column ledger.health.unknown_tokens_share is 'null: nothing was spent';
comment on column ledger.health.unknown_usd_share is 'null: nothing was spent';
comment on column ledger.health.uncertain_tokens_share is 'null: no tokens were charged';
comment on column ledger.health.uncertain_usd_share is 'null: no dollars were charged';
revoke all on ledger.health from public;
grant select on ledger.health to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/health.sql

-- Artifacts
--! Included views/postings.sql
-- The journal unpivoted: what each event added to total, reserved, committed and uncertain of one channel. Sums give any balance. remainder is
-- the part of spent and uncertain that a seal put there or released: no node's spend.
create or replace view ledger.postings
with (security_invoker = true)
as
select
  j.tenant_id, j.pool_id, j.seq, j.kind, j.operation_id, j.run_id, j.node_id, m.channel,
  trim_scale(m.funded) as funded, trim_scale(m.held) as held, trim_scale(m.spent) as spent, trim_scale(m.uncertain) as uncertain,
  j.effective_at, j.recorded_at, trim_scale(m.remainder) as remainder
from ledger_private.journal j
cross join lateral (
  select
    'tokens' as channel, coalesce(j.tokens_funded, 0) as funded, coalesce(j.tokens_held, 0) as held,
    coalesce(j.tokens_spent, 0) as spent, coalesce(j.tokens_uncertain, 0) as uncertain,
    0::numeric as remainder
  union all
  select
    'iterations', coalesce(j.iterations_funded, 0), coalesce(j.iterations_held, 0),
    coalesce(j.iterations_spent, 0), coalesce(j.iterations_uncertain, 0), 0
  union all
  select
    'usd', coalesce(j.usd_funded, 0), coalesce(j.usd_held, 0),
    coalesce(j.usd_spent, 0) + coalesce(j.usd_remainder, 0), coalesce(j.usd_uncertain, 0) + coalesce(j.usd_remainder, 0),
    coalesce(j.usd_remainder, 0)
  union all
  select
    r.key, coalesce((r.value -> 'funded')::numeric, 0), coalesce((r.value -> 'held')::numeric, 0),
    coalesce((r.value -> 'spent')::numeric, 0), coalesce((r.value -> 'uncertain')::numeric, 0), 0
  from jsonb_each(j.resource_moves) r
) m
where m.funded <> 0 or m.held <> 0 or m.spent <> 0 or m.uncertain <> 0 or m.remainder <> 0;
comment on view ledger.postings is 'What each event did to each channel: sums give any balance at any seq or time.';
comment on column ledger.postings.run_id is 'null: outside any run';
revoke all on ledger.postings from public;
grant select on ledger.postings to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/postings.sql
--! Included views/blobs.sql
-- Artifacts by content. bytes is known without reading the body.
create or replace view ledger.blobs
with (security_invoker = true)
as
select b.tenant_id, b.blob_id, octet_length(b.body) as bytes, b.body, b.stored_at
from ledger_private.blobs b;
comment on view ledger.blobs is 'Artifacts: sha256:<hex> of the bytes, and the bytes.';
revoke all on ledger.blobs from public;
grant select on ledger.blobs to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/blobs.sql
--! Included views/settlements.sql
-- Children of a run's pools that have ended, leaves and drivers, with what their terminal row booked (corrections are not in it), the end as it
-- stands now (late: expired first, then settled), and where they are in the order of delivery. Each pool's journal is read once and grouped;
-- the rows are then found by key, because joined freely a database without statistics pairs every row with every other.
create or replace view ledger.settlements
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, p.pool_id, n.node_id, t.seq, n.cursor, d.recorded_at as delivered_at, d.seq as delivered_seq,
  n.label, n.runtime, n.key, n.driver, n.status as outcome, n.late, n.out_ref, n.verdict, n.reason, n.infra,
  t.iterations, t.input_tokens, t.output_tokens, coalesce(t.cache_read_tokens, 0) as cache_read_tokens,
  coalesce(t.cache_write_tokens, 0) as cache_write_tokens, coalesce(t.reasoning_tokens, 0) as reasoning_tokens, t.charged_tokens,
  trim_scale(t.usd) as usd, coalesce(t.ms, 0) as ms, coalesce(t.uncertain_tokens, 0) as uncertain_tokens,
  coalesce(t.uncertain_iterations, 0) as uncertain_iterations, coalesce(trim_scale(t.uncertain_usd), 0) as uncertain_usd,
  t.tokens_known, t.usd_known, t.resources,
  t.effective_at, t.recorded_at
from ledger_private.runs r
cross join lateral (
  with recursive tree as (
    select r.run_id as pool_id
    union all
    select c.pool_id
    from tree a
    cross join lateral (
      select k.pool_id from ledger_private.pools k where k.tenant_id = r.tenant_id and k.parent_pool_id = a.pool_id
      offset 0
    ) c
  )
  select a.pool_id from tree a
) p
cross join lateral (
  select
    j.node_id, max(j.seq) filter (where j.kind <> 'delivered') as seq, max(j.seq) filter (where j.kind = 'delivered') as delivered_seq
  from ledger_private.journal j
  where j.tenant_id = r.tenant_id and j.pool_id = p.pool_id and j.kind in ('settled', 'cancelled', 'expired', 'delivered')
  group by j.node_id
) e
cross join lateral (
  select k.* from ledger_private.nodes k where k.tenant_id = r.tenant_id and k.node_id = e.node_id
  offset 0
) n
cross join lateral (
  select k.* from ledger_private.journal k where k.tenant_id = r.tenant_id and k.pool_id = p.pool_id and k.seq = e.seq
  offset 0
) t
left join lateral (
  select k.seq, k.recorded_at from ledger_private.journal k
  where k.tenant_id = r.tenant_id and k.pool_id = p.pool_id and k.seq = e.delivered_seq
  offset 0
) d on true;
comment on view ledger.settlements is 'Children of runs that have ended, with their artifact and their place in the order of delivery.';
comment on column ledger.settlements.cursor is 'null: not delivered';
comment on column ledger.settlements.delivered_at is 'null: not delivered';
comment on column ledger.settlements.delivered_seq is 'null: not delivered';
comment on column ledger.settlements.runtime is 'null: not stated';
comment on column ledger.settlements.key is 'null: none';
comment on column ledger.settlements.out_ref is 'null: none';
comment on column ledger.settlements.verdict is 'null: none';
comment on column ledger.settlements.reason is 'null: not stated';
comment on column ledger.settlements.infra is 'null: not stated';
comment on column ledger.settlements.usd is 'null: unknown';
comment on column ledger.settlements.resources is 'null: none';
revoke all on ledger.settlements from public;
grant select on ledger.settlements to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/settlements.sql

-- Reading

--! Included views/trajectory.sql
-- The tree of a run with spend. own: a leaf's ending, a driver's metered turns, with their corrections; a driver's `settled` row and `drawn`
-- rows are transfers, not spend. rolled_up: own and everything below.
-- Only drivers have something below, so only their pools are walked and summed up: each once, whatever the shape of the tree. In tree order (`key`)
-- a driver opens before all below it and closes after them; its rolled-up spend is what has run up between. An only child keeps its parent's key,
-- so a chain's keys do not grow; siblings append their place, one byte or four, none of which begins as the closing one does.
-- What a pool's nodes spent is grouped pool by pool: no aggregate or join here is larger than its input, or depends on what was ever analysed.
-- A path is as long as its node is deep, so paths are a walk of their own, which the planner leaves out where none is asked for.
create or replace view ledger.trajectory
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, x.*
from ledger_private.runs r
cross join lateral (
  with recursive drivers as (
    select r.run_id as pool_id, 0 as depth, '\x'::bytea as key
    union all
    select
      c.pool_id, d.depth + 1,
      case
        when c.siblings = 1 then d.key
        when c.place < 128 then d.key || substring(int4send(c.place::integer) from 4)
        else d.key || int4send((c.place - 2147483648)::integer)
      end
    from drivers d
    cross join lateral (
      select p.pool_id, row_number() over () as place, count(*) over () as siblings
      from ledger_private.pools p
      where p.tenant_id = r.tenant_id and p.parent_pool_id = d.pool_id
    ) c
  ),
  spent as (
    select d.key, d.depth, d.pool_id, s.*
    from drivers d
    cross join lateral (
      with by_node as materialized (
        select
          j.node_id,
          coalesce(sum(j.iterations), 0) as iterations, coalesce(sum(j.input_tokens), 0) as input_tokens,
          coalesce(sum(j.output_tokens), 0) as output_tokens, coalesce(sum(j.cache_read_tokens), 0) as cache_read_tokens,
          coalesce(sum(j.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(j.reasoning_tokens), 0) as reasoning_tokens,
          coalesce(sum(j.charged_tokens), 0) as charged_tokens, coalesce(sum(j.usd), 0) as usd, coalesce(sum(j.ms), 0) as ms,
          coalesce(sum(j.uncertain_tokens), 0) as uncertain_tokens, coalesce(sum(j.uncertain_iterations), 0) as uncertain_iterations,
          coalesce(sum(j.uncertain_usd), 0) as uncertain_usd, coalesce(sum(j.tokens_unknown), 0) as tokens_unknown,
          coalesce(sum(j.usd_unknown), 0) as usd_unknown
        from ledger_private.journal j
        where j.tenant_id = r.tenant_id and j.pool_id = d.pool_id
          and j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
        group by j.node_id
      )
      select false as whole, b.* from by_node b
      union all
      select
        true, null,
        sum(b.iterations), sum(b.input_tokens), sum(b.output_tokens), sum(b.cache_read_tokens), sum(b.cache_write_tokens), sum(b.reasoning_tokens),
        sum(b.charged_tokens), sum(b.usd), sum(b.ms), sum(b.uncertain_tokens), sum(b.uncertain_iterations), sum(b.uncertain_usd),
        sum(b.tokens_unknown), sum(b.usd_unknown)
      from by_node b
    ) s
  ),
  edges as (
    select s.*, true as closing, s.key || '\xff'::bytea as at, -s.depth as place from spent s where s.whole
    union all
    select
      s.key, s.depth, s.pool_id, true, null,
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      false, s.key, s.depth
    from spent s where s.whole
  ),
  running as (
    select
      e.pool_id, e.closing,
      sum(e.iterations) over in_tree_order as iterations, sum(e.input_tokens) over in_tree_order as input_tokens,
      sum(e.output_tokens) over in_tree_order as output_tokens, sum(e.cache_read_tokens) over in_tree_order as cache_read_tokens,
      sum(e.cache_write_tokens) over in_tree_order as cache_write_tokens, sum(e.reasoning_tokens) over in_tree_order as reasoning_tokens,
      sum(e.charged_tokens) over in_tree_order as charged_tokens, sum(e.usd) over in_tree_order as usd, sum(e.ms) over in_tree_order as ms,
      sum(e.uncertain_tokens) over in_tree_order as uncertain_tokens, sum(e.uncertain_iterations) over in_tree_order as uncertain_iterations,
      sum(e.uncertain_usd) over in_tree_order as uncertain_usd, sum(e.tokens_unknown) over in_tree_order as tokens_unknown,
      sum(e.usd_unknown) over in_tree_order as usd_unknown
    from edges e
    window in_tree_order as (order by e.at, e.place rows unbounded preceding)
  ),
  rolled as (
    select
      c.pool_id,
      c.iterations - o.iterations as iterations, c.input_tokens - o.input_tokens as input_tokens, c.output_tokens - o.output_tokens as output_tokens,
      c.cache_read_tokens - o.cache_read_tokens as cache_read_tokens, c.cache_write_tokens - o.cache_write_tokens as cache_write_tokens,
      c.reasoning_tokens - o.reasoning_tokens as reasoning_tokens, c.charged_tokens - o.charged_tokens as charged_tokens, c.usd - o.usd as usd,
      c.ms - o.ms as ms, c.uncertain_tokens - o.uncertain_tokens as uncertain_tokens,
      c.uncertain_iterations - o.uncertain_iterations as uncertain_iterations, c.uncertain_usd - o.uncertain_usd as uncertain_usd,
      c.tokens_unknown - o.tokens_unknown as tokens_unknown, c.usd_unknown - o.usd_unknown as usd_unknown
    from running c
    join running o on o.pool_id = c.pool_id and not o.closing
    where c.closing
  ),
  paths as (
    select r.run_id as pool_id, array[r.run_id] as path
    union all
    select c.pool_id, p.path || array[c.pool_id]
    from paths p
    cross join lateral (
      select c.pool_id from ledger_private.pools c
      where c.tenant_id = r.tenant_id and c.parent_pool_id = p.pool_id
      offset 0
    ) c
  ),
  members as (
    select n.node_id, n.parent_node_id, 0 as depth, n.label, n.runtime, n.status
    from ledger_private.nodes n
    where n.tenant_id = r.tenant_id and n.node_id = r.run_id
    union all
    select n.node_id, n.parent_node_id, d.depth + 1, n.label, n.runtime, n.status
    from drivers d
    cross join lateral (
      select n.* from ledger_private.nodes n
      where n.tenant_id = r.tenant_id and n.parent_node_id = d.pool_id
      offset 0
    ) n
  )
  select
    m.node_id, m.parent_node_id, m.depth, coalesce(a.path, '{}') || array[m.node_id] as path, m.label, m.runtime, m.status,
    coalesce(o.iterations, 0) as own_iterations, coalesce(o.input_tokens, 0) as own_input_tokens, coalesce(o.output_tokens, 0) as own_output_tokens,
    coalesce(o.cache_read_tokens, 0) as own_cache_read_tokens, coalesce(o.cache_write_tokens, 0) as own_cache_write_tokens,
    coalesce(o.reasoning_tokens, 0) as own_reasoning_tokens, coalesce(o.charged_tokens, 0) as own_charged_tokens,
    coalesce(trim_scale(o.usd), 0) as own_usd, coalesce(o.ms, 0) as own_ms, coalesce(o.uncertain_tokens, 0) as own_uncertain_tokens,
    coalesce(o.uncertain_iterations, 0) as own_uncertain_iterations, coalesce(trim_scale(o.uncertain_usd), 0) as own_uncertain_usd,
    coalesce(w.iterations, o.iterations, 0) as rolled_up_iterations, coalesce(w.input_tokens, o.input_tokens, 0) as rolled_up_input_tokens,
    coalesce(w.output_tokens, o.output_tokens, 0) as rolled_up_output_tokens,
    coalesce(w.cache_read_tokens, o.cache_read_tokens, 0) as rolled_up_cache_read_tokens,
    coalesce(w.cache_write_tokens, o.cache_write_tokens, 0) as rolled_up_cache_write_tokens,
    coalesce(w.reasoning_tokens, o.reasoning_tokens, 0) as rolled_up_reasoning_tokens,
    coalesce(w.charged_tokens, o.charged_tokens, 0) as rolled_up_charged_tokens, coalesce(trim_scale(coalesce(w.usd, o.usd)), 0) as rolled_up_usd,
    coalesce(w.ms, o.ms, 0) as rolled_up_ms, coalesce(w.uncertain_tokens, o.uncertain_tokens, 0) as rolled_up_uncertain_tokens,
    coalesce(w.uncertain_iterations, o.uncertain_iterations, 0) as rolled_up_uncertain_iterations,
    coalesce(trim_scale(coalesce(w.uncertain_usd, o.uncertain_usd)), 0) as rolled_up_uncertain_usd,
    coalesce(w.tokens_unknown, o.tokens_unknown, 0) = 0 as rolled_up_tokens_known,
    coalesce(w.usd_unknown, o.usd_unknown, 0) = 0 as rolled_up_usd_known
  from members m
  left join spent o on o.node_id = m.node_id and not o.whole
  left join rolled w on w.pool_id = m.node_id
  left join (select p.pool_id, max(p.path) as path from paths p group by p.pool_id) a on a.pool_id = m.parent_node_id
  offset 0
) x;
comment on view ledger.trajectory is 'The tree of each run with own and rolled-up spend.';
comment on column ledger.trajectory.parent_node_id is 'null: at the top';
comment on column ledger.trajectory.runtime is 'null: not stated';
revoke all on ledger.trajectory from public;
grant select on ledger.trajectory to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/trajectory.sql

-- Who sees what, and nothing is public
--! Included policies.sql
-- Row level security, forced on every table: one policy for the owner, one for readers of one tenant, one for readers of all. Readers have
-- SELECT on the tables and no USAGE on their schema, so they reach them through views only.
-- Policies of one role are or-ed, and an `or` is no index condition: rows of other tenants would be read before they are filtered, which shows in
-- plans and times. So reader_all is for the roles that need it, and everybody else has one equality on the leading column.
-- The sub-select asks whom the caller acts for once per query; without it every look-up of a walk would ask again.
do $$
declare
  v_table text;
begin
  foreach v_table in array array[
    'tenants', 'pools', 'pool_heads', 'channels', 'nodes', 'runs', 'journal', 'usage_lines', 'operations', 'blobs', 'plans', 'price_books',
    'prices', 'retries'
  ]
  loop
    execute format('alter table ledger_private.%I enable row level security', v_table);
    execute format('alter table ledger_private.%I force row level security', v_table);
    execute format('drop policy if exists owner_all on ledger_private.%I', v_table);
    execute format('drop policy if exists reader_one on ledger_private.%I', v_table);
    execute format('drop policy if exists reader_all on ledger_private.%I', v_table);
    execute format('create policy owner_all on ledger_private.%I to ledger_owner using (true) with check (true)', v_table);
    execute format(
      'create policy reader_one on ledger_private.%I for select to ledger_writer, ledger_auditor '
      'using (tenant_id = (select ledger.caller_tenant()))', v_table
    );
    execute format(
      'create policy reader_all on ledger_private.%I for select to ledger_admin, ledger_all_tenants '
      'using ((select ledger.caller_tenant()) = ''*'')', v_table
    );
    execute format('grant select on ledger_private.%I to ledger_admin, ledger_writer, ledger_auditor', v_table);
  end loop;
  alter table ledger_private.role_bindings enable row level security;
  alter table ledger_private.role_bindings force row level security;
  drop policy if exists owner_all on ledger_private.role_bindings;
  create policy owner_all on ledger_private.role_bindings to ledger_owner using (true) with check (true);
end
$$;

revoke all on all functions in schema ledger_private from public;
--! EndIncluded policies.sql

revoke all on all functions in schema ledger_private from public;

reset role;
