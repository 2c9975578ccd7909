--! Previous: sha1:264fa6f333269a4a5b10cdd1a0c1b214110036f1
--! Hash: sha1:d00bfffcc7e21127552b710c04a4aad244c6ec20
--! Message: fast under contention

-- Writing fast: rules that cost less, one plain path for single operations, batches as sets.

set local role ledger_owner;

-- The rules of the hot tables, as one CHECK each (ledger_private.sound_channel says why). Conservation, and the lists of words, stay as they read.
--! Included private/raise_breach.sql
-- Raises what a CHECK of that name on that table would.
create or replace function ledger_private.raise_breach(p_table text, p_rule text)
returns void
language plpgsql
immutable
parallel safe
as $$
begin
  raise exception using
    errcode = 'check_violation',
    schema = 'ledger_private',
    table = p_table,
    constraint = p_rule,
    message = format('new row for relation "%s" violates check constraint "%s"', p_table, p_rule);
end;
$$;
--! EndIncluded private/raise_breach.sql
--! Included rules/sound_channel.sql
-- The rules of a balance, besides that it adds up: a CHECK calls this, because the server reads the text of every CHECK again for each statement,
-- and a dozen of them cost more than the write. True, or the error of a CHECK that is named like the first rule that is broken.
create or replace function ledger_private.sound_channel(p_row ledger_private.channels)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_broken constant text := case
    when p_row.total is not null and p_row.free is null then 'channels_capped_adds_up'
    when p_row.total is null and (p_row.free is not null or p_row.reserved <> 0) then 'channels_uncapped_only_observed'
    when p_row.total < 0 then 'channels_total_not_negative'
    when p_row.reserved < 0 then 'channels_reserved_not_negative'
    when p_row.committed < 0 then 'channels_committed_not_negative'
    when p_row.uncertain < 0 or p_row.uncertain > p_row.committed then 'channels_uncertain_within_committed'
    when p_row.remainder < 0 or p_row.remainder > p_row.uncertain or (p_row.seals <= 0 and p_row.remainder <> 0) then 'channels_remainder_only_sealed'
    when greatest(p_row.total, p_row.free, p_row.reserved, p_row.committed, p_row.uncertain, p_row.remainder) >= 'Infinity'
      then 'channels_amounts_finite'
    when p_row.seals < 0 or p_row.seals > p_row.unknown or (p_row.seals <> 0 and p_row.total is null) then 'channels_seals_within_unknown'
    when p_row.total is not null and p_row.payer_pool_id is distinct from p_row.pool_id then 'channels_capped_pays_itself'
    when p_row.total is null and p_row.payer_pool_id = p_row.pool_id then 'channels_uncapped_pays_elsewhere'
    when p_row.channel in ('tokens', 'iterations') and (
      p_row.total <> trunc(p_row.total) or p_row.reserved <> trunc(p_row.reserved) or p_row.committed <> trunc(p_row.committed)
      or p_row.uncertain <> trunc(p_row.uncertain)
    ) then 'channels_counts_whole'
  end;
begin
  if v_broken is not null then
    perform ledger_private.raise_breach('channels', v_broken);
  end if;
  return true;
end;
$$;
--! EndIncluded rules/sound_channel.sql
--! Included rules/sound_event.sql
-- The rules of a journal row, besides the words it may use: called by a CHECK, as ledger_private.sound_channel. Usage is what was consumed, and a
-- difference in a correction.
create or replace function ledger_private.sound_event(p_row ledger_private.journal)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_difference constant boolean := p_row.kind = 'corrected';
  v_broken constant text := case
    when p_row.seq <= 0 then 'journal_seq_positive'
    when p_row.effective_at > p_row.recorded_at then 'journal_effective_not_later'
    when (p_row.source_pool_id is null) <> (p_row.source_seq is null) then 'journal_source_whole'
    when p_row.corrects_seq is not null and (p_row.corrects_seq >= p_row.seq or not v_difference) then 'journal_corrects_earlier'
    when greatest(
      p_row.iterations, p_row.input_tokens, p_row.output_tokens, p_row.cache_read_tokens, p_row.cache_write_tokens, p_row.reasoning_tokens,
      p_row.charged_tokens, p_row.usd, p_row.ms, p_row.uncertain_tokens, p_row.uncertain_iterations, p_row.uncertain_usd,
      p_row.tokens_funded, p_row.tokens_held, p_row.tokens_spent, p_row.tokens_uncertain, p_row.iterations_funded, p_row.iterations_held,
      p_row.iterations_spent, p_row.iterations_uncertain, p_row.usd_funded, p_row.usd_held, p_row.usd_spent, p_row.usd_uncertain,
      p_row.usd_remainder
    ) >= 'Infinity' then 'journal_amounts_finite'
    when not v_difference and least(
      p_row.iterations, p_row.input_tokens, p_row.output_tokens, p_row.cache_read_tokens, p_row.cache_write_tokens, p_row.reasoning_tokens,
      p_row.charged_tokens, p_row.usd, p_row.ms, p_row.uncertain_tokens, p_row.uncertain_iterations, p_row.uncertain_usd
    ) < 0 then 'journal_usage_not_negative'
    when not v_difference and coalesce(p_row.cache_read_tokens, 0) + coalesce(p_row.cache_write_tokens, 0) > p_row.input_tokens
      then 'journal_cache_within_input'
    when p_row.cache_write_1h_tokens >= 'Infinity' or (not v_difference and (
      p_row.cache_write_1h_tokens < 0 or p_row.cache_write_1h_tokens > coalesce(p_row.cache_write_tokens, 0)
    )) then 'journal_cache_write_1h_within_cache_write'
    when not v_difference and p_row.reasoning_tokens > p_row.output_tokens then 'journal_reasoning_within_output'
    when not v_difference and (
      p_row.uncertain_tokens > p_row.charged_tokens or p_row.uncertain_iterations > p_row.iterations or p_row.uncertain_usd > p_row.usd
    ) then 'journal_uncertain_within_usage'
  end;
begin
  if v_broken is not null then
    perform ledger_private.raise_breach('journal', v_broken);
  end if;
  return true;
end;
$$;
--! EndIncluded rules/sound_event.sql
--! Included rules/sound_node.sql
-- The rules of a node, besides the words it may use: called by a CHECK, as ledger_private.sound_channel.
create or replace function ledger_private.sound_node(p_row ledger_private.nodes)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_broken constant text := case
    when p_row.parent_node_id = p_row.node_id then 'nodes_parent_other'
    when p_row.parent_node_id is null and not p_row.driver then 'nodes_root_owns_pool'
    when (p_row.status in ('pending', 'dispatched')) <> (p_row.ended_at is null) then 'nodes_ended_has_time'
    when p_row.terminal_seq is not null and p_row.ended_at is null then 'nodes_terminal_row_of_ended'
    when p_row.cursor is not null and (p_row.cursor < 0 or p_row.terminal_seq is null or p_row.terminal_seq <= 0) then 'nodes_cursor_of_ended'
    when p_row.status = 'dispatched' and p_row.dispatched_at is null then 'nodes_dispatched_has_time'
    when p_row.superseded and p_row.key is null then 'nodes_superseded_has_key'
    when jsonb_typeof(p_row.budget) <> 'object' or jsonb_typeof(p_row.hold) <> 'object' then 'nodes_budget_object'
    when p_row.late and p_row.ended_at is null then 'nodes_late_only_ended'
    when p_row.task_ref !~ '^sha256:[0-9a-f]{64}$' then 'nodes_task_ref_sha256'
  end;
begin
  if v_broken is not null then
    perform ledger_private.raise_breach('nodes', v_broken);
  end if;
  return true;
end;
$$;
--! EndIncluded rules/sound_node.sql
--! Included rules/sound_head.sql
-- The rules of a pool's head: called by a CHECK, as ledger_private.sound_channel.
create or replace function ledger_private.sound_head(p_row ledger_private.pool_heads)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_broken constant text := case
    when p_row.open_holds < 0 or p_row.open_holds > p_row.children then 'pool_heads_open_holds_not_negative'
    when p_row.undelivered < 0 or p_row.next_cursor < 0 then 'pool_heads_undelivered_not_negative'
    when p_row.delivered_seq < 0 or p_row.delivered_seq > p_row.seq then 'pool_heads_delivered_seq_within'
  end;
begin
  if v_broken is not null then
    perform ledger_private.raise_breach('pool_heads', v_broken);
  end if;
  return true;
end;
$$;
--! EndIncluded rules/sound_head.sql
--! Included rules/sound_operation.sql
-- The rules of a kept operation, besides the words it may use: called by a CHECK, as ledger_private.sound_channel.
create or replace function ledger_private.sound_operation(p_row ledger_private.operations)
returns boolean
language plpgsql
immutable
parallel safe
as $$
declare
  v_broken constant text := case
    when octet_length(p_row.digest) <> 32 then 'operations_digest_sha256'
    when p_row.code is not null and p_row.seq is not null then 'operations_refusal_has_no_row'
  end;
begin
  if v_broken is not null then
    perform ledger_private.raise_breach('operations', v_broken);
  end if;
  return true;
end;
$$;
--! EndIncluded rules/sound_operation.sql
alter table ledger_private.channels
  drop constraint if exists channels_capped_adds_up,
  drop constraint if exists channels_uncapped_only_observed,
  drop constraint if exists channels_amounts_finite,
  drop constraint if exists channels_total_not_negative,
  drop constraint if exists channels_reserved_not_negative,
  drop constraint if exists channels_committed_not_negative,
  drop constraint if exists channels_uncertain_within_committed,
  drop constraint if exists channels_remainder_only_sealed,
  drop constraint if exists channels_seals_within_unknown,
  drop constraint if exists channels_capped_pays_itself,
  drop constraint if exists channels_uncapped_pays_elsewhere,
  drop constraint if exists channels_counts_whole,
  drop constraint if exists channels_sound,
  add constraint channels_capped_adds_up check (total = free + reserved + committed),
  add constraint channels_sound check (ledger_private.sound_channel(channels));
alter table ledger_private.journal
  drop constraint if exists journal_seq_positive,
  drop constraint if exists journal_effective_not_later,
  drop constraint if exists journal_amounts_finite,
  drop constraint if exists journal_usage_not_negative,
  drop constraint if exists journal_cache_within_input,
  drop constraint if exists journal_cache_write_1h_within_cache_write,
  drop constraint if exists journal_reasoning_within_output,
  drop constraint if exists journal_uncertain_within_usage,
  drop constraint if exists journal_source_whole,
  drop constraint if exists journal_corrects_earlier,
  drop constraint if exists journal_sound,
  add constraint journal_sound check (ledger_private.sound_event(journal));
alter table ledger_private.nodes
  drop constraint if exists nodes_parent_other,
  drop constraint if exists nodes_root_owns_pool,
  drop constraint if exists nodes_status_known,
  drop constraint if exists nodes_ended_has_time,
  drop constraint if exists nodes_terminal_row_of_ended,
  drop constraint if exists nodes_cursor_of_ended,
  drop constraint if exists nodes_dispatched_has_time,
  drop constraint if exists nodes_superseded_has_key,
  drop constraint if exists nodes_budget_object,
  drop constraint if exists nodes_late_only_ended,
  drop constraint if exists nodes_task_ref_sha256,
  drop constraint if exists nodes_sound,
  add constraint nodes_status_known check (status ~ '^(pending|dispatched|done|down|cancelled|expired)$'),
  add constraint nodes_sound check (ledger_private.sound_node(nodes));
alter table ledger_private.pool_heads
  drop constraint if exists pool_heads_open_holds_not_negative,
  drop constraint if exists pool_heads_undelivered_not_negative,
  drop constraint if exists pool_heads_delivered_seq_within,
  drop constraint if exists pool_heads_sound,
  add constraint pool_heads_sound check (ledger_private.sound_head(pool_heads));
alter table ledger_private.operations
  drop constraint if exists operations_digest_sha256,
  drop constraint if exists operations_refusal_has_no_row,
  drop constraint if exists operations_sound,
  add constraint operations_sound check (ledger_private.sound_operation(operations));

-- Who pays each channel, beside the pool: fixed when it opens, and read where its balances must not be.
alter table ledger_private.pools add column if not exists paid_by jsonb;
comment on column ledger_private.pools.paid_by is '{channel: the pool that pays for it}, as on the channel rows; a channel nobody pays is left out';
update ledger_private.pools p
set paid_by = (
  select jsonb_object_agg(c.channel, c.payer_pool_id) from ledger_private.channels c
  where c.tenant_id = p.tenant_id and c.pool_id = p.pool_id and c.payer_pool_id is not null
);
--! Included private/open_child.sql
-- Opens the pool of a node that exists: pool, head, one row per channel, `opened`. p_channels {channel: {total?, unit?}}; a channel of the
-- parent that it does not name gets an uncapped row. Who pays a channel is fixed here: this pool if it caps it, else the parent's payer.
-- p_source: the parent's `spawned` row, null for a top pool. Returns the seq of `opened`.
create or replace function ledger_private.open_child(
  p_pool ledger_private.pools,
  p_channels jsonb,
  p_operation jsonb,
  p_at timestamptz,
  p_source_seq bigint default null
)
returns bigint
language plpgsql
as $$
declare
  v_pool ledger_private.pools := p_pool;
  v_event ledger_private.journal;
begin
  select array_agg(distinct c.payer) filter (where c.payer <> p_pool.pool_id), jsonb_object_agg(c.channel, c.payer) into v_pool.payers, v_pool.paid_by
  from (
    select o.key as channel, p_pool.pool_id as payer from jsonb_each(p_channels) o where o.value ? 'total'
    union all
    select c.channel, c.payer_pool_id from ledger_private.channels c
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.parent_pool_id and c.payer_pool_id is not null
      and not coalesce(p_channels -> c.channel ? 'total', false)
  ) c;
  insert into ledger_private.pools select v_pool.*;
  insert into ledger_private.pool_heads (tenant_id, pool_id) values (p_pool.tenant_id, p_pool.pool_id);
  insert into ledger_private.channels (tenant_id, pool_id, channel, unit, total, free, payer_pool_id)
  select
    p_pool.tenant_id, p_pool.pool_id, coalesce(o.key, i.channel), coalesce(o.value ->> 'unit', i.unit),
    case when o.value ? 'total' then 0 end, case when o.value ? 'total' then 0 end,
    case when o.value ? 'total' then p_pool.pool_id else i.payer_pool_id end
  from jsonb_each('{"tokens": {}, "iterations": {}, "usd": {}}' || p_channels) o
  full join (
    select c.channel, c.unit, c.payer_pool_id from ledger_private.channels c
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.parent_pool_id
  ) i on i.channel = o.key;

  v_event := ledger_private.event(p_pool, 'opened', p_operation, p_at);
  v_event.node_id := p_pool.pool_id;
  if p_source_seq is not null then
    v_event.source_pool_id := p_pool.parent_pool_id;
    v_event.source_seq := p_source_seq;
  end if;
  return ledger_private.post(v_event, (
    select array_agg(
      row(o.key, ledger_private.amount(o.value -> 'total'), 0, 0, 0, 0, 0, false)::ledger_private.move order by ledger_private.channel_order(o.key)
    )
    from jsonb_each(p_channels) o
    where o.value ? 'total'
  ));
end;
$$;
--! EndIncluded private/open_child.sql

-- What paths have in common
--! Included rules/resources_json.sql
-- Resources as answers show them: {name: {amount}}, amounts as text. Null for none.
create or replace function ledger_private.resources_json(p_resources jsonb)
returns jsonb
language plpgsql
immutable
strict
parallel safe
as $$
begin
  return (
    select jsonb_object_agg(r.key, jsonb_build_object('amount', ledger_private.text_of(ledger_private.amount(r.value -> 'amount'))))
    from jsonb_each(p_resources) r
  );
end;
$$;
--! EndIncluded rules/resources_json.sql
--! Included rules/spend_json.sql
-- A usage as answers show it (result.spend): amounts as text, usd null where dollars are unknown and nothing was charged for them; one-hour
-- cache writes are shown where there are some. One expression, which the planner puts into the query that asks.
create or replace function ledger_private.spend_json(p_usage ledger_private.usage)
returns jsonb
language sql
stable
parallel safe
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
    'resources', coalesce(ledger_private.resources_json(p_usage.resources), '{}')
  );
--! EndIncluded rules/spend_json.sql
--! Included rules/ending_json.sql
-- What the answer to an ending says: the spend as booked, and where it is above a ceiling (looked for only where there is one). Stable, as
-- jsonb_build_object is declared: so it goes into the query that asks.
create or replace function ledger_private.ending_json(p_usage ledger_private.usage, p_budget jsonb)
returns jsonb
language sql
stable
parallel safe
return jsonb_build_object(
  'spend', ledger_private.spend_json(p_usage),
  'violations', case
    when p_usage.resources is not null or p_usage.charged_tokens > (p_budget ->> 'tokens')::numeric
      or p_usage.iterations > (p_budget ->> 'iterations')::numeric or p_usage.usd > (p_budget ->> 'usd')::numeric
      then ledger_private.violations(p_usage, p_budget)
    else '[]'
  end
);
--! EndIncluded rules/ending_json.sql
--! Included rules/plain_amounts.sql
-- Whether the parts of a spend that is plain in form (ledger_private.plain_spend) are within their whole, as ledger_private.misfit_of_spend would
-- have it. Counts that were not stated may be null.
create or replace function ledger_private.plain_amounts(
  p_input_tokens numeric,
  p_output_tokens numeric,
  p_cache_read_tokens numeric,
  p_cache_write_tokens numeric,
  p_cache_write_hour_tokens numeric,
  p_reasoning_tokens numeric
)
returns boolean
language sql
immutable
parallel safe
return coalesce(p_cache_read_tokens, 0) + coalesce(p_cache_write_tokens, 0) <= p_input_tokens
  and coalesce(p_cache_write_hour_tokens, 0) <= coalesce(p_cache_write_tokens, 0)
  and coalesce(p_reasoning_tokens, 0) <= p_output_tokens;
--! EndIncluded rules/plain_amounts.sql
--! Included rules/plain_spend.sql
-- Whether a spend is plain in form: only the common keys, each of its type, so that casts read it: whole counts that JSON can hold, dollars as text
-- of at most 12 decimals, stated or said to be unknown. ledger_private.plain_amounts tells whether they fit together. Never true of what
-- ledger_private.misfit rejects for its form; false may mean no more than unusual (resources, counts as text). Null counts as false.
-- jsonb sorts by type first: what lies between two numbers is a number.
create or replace function ledger_private.plain_spend(p_spend jsonb)
returns boolean
language sql
immutable
parallel safe
return jsonb_typeof(p_spend) = 'object' and p_spend - '{
    iterations,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,cache_write_1h_tokens,reasoning_tokens,ms,usd,usd_known,tokens_known
  }'::text[] = '{}'
  and p_spend -> 'iterations' between '0' and '9007199254740991'
  and p_spend -> 'input_tokens' between '0' and '9007199254740991'
  and p_spend -> 'output_tokens' between '0' and '9007199254740991'
  and (p_spend -> 'cache_read_tokens' between '0' and '9007199254740991') is not false
  and (p_spend -> 'cache_write_tokens' between '0' and '9007199254740991') is not false
  and (p_spend -> 'cache_write_1h_tokens' between '0' and '9007199254740991') is not false
  and (p_spend -> 'reasoning_tokens' between '0' and '9007199254740991') is not false
  and (p_spend -> 'ms' between '0' and '9007199254740991') is not false
  and strpos((p_spend - 'usd')::text, '.') = 0
  and coalesce(jsonb_typeof(p_spend -> 'tokens_known'), 'boolean') = 'boolean'
  and coalesce(jsonb_typeof(p_spend -> 'usd_known'), 'boolean') = 'boolean'
  and case when p_spend ? 'usd' then jsonb_typeof(p_spend -> 'usd') = 'string' and p_spend ->> 'usd' ~ '^[0-9]{1,15}([.][0-9]{1,12})?$'
    else p_spend -> 'usd_known' = 'false' end;
--! EndIncluded rules/plain_spend.sql
--! Included rules/plain_budget.sql
-- Whether a budget is plain: ceilings of the three channels only, each in its common form and in range, dollars as text. Never true of what
-- ledger_private.misfit rejects. Null counts as false. (What lies between two numbers is a number: ledger_private.plain_spend.)
create or replace function ledger_private.plain_budget(p_budget jsonb)
returns boolean
language sql
immutable
parallel safe
return jsonb_typeof(p_budget) = 'object' and p_budget - '{tokens,iterations,usd}'::text[] = '{}'
  and (p_budget -> 'tokens' between '0' and '9007199254740991') is not false
  and (p_budget -> 'iterations' between '0' and '9007199254740991') is not false
  and strpos((p_budget - 'usd')::text, '.') = 0
  and case when p_budget ? 'usd' then jsonb_typeof(p_budget -> 'usd') = 'string' and p_budget ->> 'usd' ~ '^[0-9]{1,15}([.][0-9]{1,12})?$'
    else true end;
--! EndIncluded rules/plain_budget.sql
--! Included rules/plain_extras.sql
-- Whether the rarer things that an operation says are plain: when it happened (in a form that names a day there is; a cast reads it), tags, tools,
-- detail, verdict. Asked only where it has one of them. Null counts as false.
create or replace function ledger_private.plain_extras(p_operation jsonb)
returns boolean
language plpgsql
immutable
parallel safe
as $$
begin
  return (
      jsonb_typeof(p_operation -> 'effective_at') = 'string' and p_operation ->> 'effective_at' ~ (
        '^[12][0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))'
        || 'T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])$'
      )
    ) is not false
    and (jsonb_typeof(p_operation -> 'infra') = 'boolean') is not false
    and (jsonb_typeof(p_operation -> 'task_ref') = 'string' and p_operation ->> 'task_ref' ~ '^sha256:[0-9a-f]{64}$') is not false
    and (char_length(p_operation ->> 'reason') <= 10000) is not false
    and case when p_operation ? 'tags' then ledger_private.fits('tags', p_operation -> 'tags') else true end
    and case when p_operation ? 'tool_calls' then ledger_private.fits('tool_calls', p_operation -> 'tool_calls') else true end
    and case when p_operation ? 'tool_results' then ledger_private.fits('tool_results', p_operation -> 'tool_results') else true end
    and case when p_operation ? 'verdict' then ledger_private.fits('json', p_operation -> 'verdict') else true end
    and case when p_operation ? 'detail' then
      ledger_private.fits('json', p_operation -> 'detail') and not p_operation -> 'detail' ?| '{price_book,tool_results}'
    else true end;
end;
$$;
--! EndIncluded rules/plain_extras.sql
--! Included rules/plain_texts.sql
-- Whether the ids of an operation are of 1 to 200 characters without control characters, as ledger_private.fits wants them, and what it seldom says
-- is plain too (ledger_private.plain_operation). A text without a backslash in JSON has no control character that JSON escapes; the pattern sees the
-- others.
create or replace function ledger_private.plain_texts(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return least(
    char_length(p_operation ->> 'operation_id'), char_length(p_operation ->> 'pool_id'), char_length(p_operation ->> 'node_id'),
    char_length(p_operation ->> 'label'), char_length(p_operation ->> 'runtime'), char_length(p_operation ->> 'out_ref'),
    char_length(p_operation ->> 'provider'), char_length(p_operation ->> 'model'), char_length(p_operation ->> 'provider_request_id')
  ) > 0
  and greatest(
    char_length(p_operation ->> 'operation_id'), char_length(p_operation ->> 'pool_id'), char_length(p_operation ->> 'node_id'),
    char_length(p_operation ->> 'label'), char_length(p_operation ->> 'runtime'), char_length(p_operation ->> 'out_ref'),
    char_length(p_operation ->> 'provider'), char_length(p_operation ->> 'model'), char_length(p_operation ->> 'provider_request_id')
  ) <= 200
  and (p_operation - '{spend,budget,tags,detail,verdict,reason,tool_calls,tool_results}'::text[])::text !~ '[\\[:cntrl:]]'
  and case when p_operation ?| '{effective_at,tags,tool_calls,tool_results,detail,verdict,infra,task_ref,reason}'
    then ledger_private.plain_extras(p_operation) else true end;
--! EndIncluded rules/plain_texts.sql
--! Included rules/plain_meter.sql
-- Whether a meter is plain in its own keys (ledger_private.plain_operation).
create or replace function ledger_private.plain_meter(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{
    op,operation_id,effective_at,tags,pool_id,spend,turn,tool_calls,tool_results,detail,provider,model,provider_request_id,purpose
  }'::text[] = '{}'
  and jsonb_typeof(p_operation -> 'operation_id') = 'string'
  and jsonb_typeof(p_operation -> 'pool_id') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'provider'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'model'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'provider_request_id'), 'string') = 'string'
  and (p_operation -> 'purpose' in ('"turn"', '"compaction"', '"failed"', '"tool"')) is not false
  and (p_operation -> 'turn' between '0' and '2147483647' and strpos(p_operation ->> 'turn', '.') = 0) is not false;
--! EndIncluded rules/plain_meter.sql
--! Included rules/plain_spawn.sql
-- Whether the spawn of a leaf is plain in its own keys (ledger_private.plain_operation).
create or replace function ledger_private.plain_spawn(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{
    op,operation_id,effective_at,tags,pool_id,node_id,label,runtime,task_ref,lease_ms,budget
  }'::text[] = '{}'
  and jsonb_typeof(p_operation -> 'operation_id') = 'string'
  and jsonb_typeof(p_operation -> 'pool_id') = 'string'
  and jsonb_typeof(p_operation -> 'label') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'node_id'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'runtime'), 'string') = 'string'
  and (p_operation -> 'lease_ms' between '1' and '315360000000' and strpos(p_operation ->> 'lease_ms', '.') = 0) is not false;
--! EndIncluded rules/plain_spawn.sql
--! Included rules/plain_settle.sql
-- Whether the settlement of a leaf is plain in its own keys (ledger_private.plain_operation).
create or replace function ledger_private.plain_settle(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{
    op,operation_id,effective_at,tags,node_id,outcome,spend,verdict,out_ref,reason,infra,tool_calls,tool_results,detail,
    provider,model,provider_request_id,purpose
  }'::text[] = '{}'
  and jsonb_typeof(p_operation -> 'operation_id') = 'string'
  and jsonb_typeof(p_operation -> 'node_id') = 'string'
  and p_operation -> 'outcome' in ('"done"', '"down"')
  and coalesce(jsonb_typeof(p_operation -> 'out_ref'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'reason'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'provider'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'model'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'provider_request_id'), 'string') = 'string'
  and (p_operation -> 'purpose' in ('"turn"', '"compaction"', '"failed"', '"tool"')) is not false;
--! EndIncluded rules/plain_settle.sql
--! Included rules/plain_cancel.sql
-- Whether the cancellation of a leaf is plain in its own keys (ledger_private.plain_operation).
create or replace function ledger_private.plain_cancel(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{
    op,operation_id,effective_at,tags,node_id,reason,spend,tool_calls,tool_results,detail,provider,model,provider_request_id,purpose
  }'::text[] = '{}'
  and jsonb_typeof(p_operation -> 'operation_id') = 'string'
  and jsonb_typeof(p_operation -> 'node_id') = 'string'
  and jsonb_typeof(p_operation -> 'reason') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'provider'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'model'), 'string') = 'string'
  and coalesce(jsonb_typeof(p_operation -> 'provider_request_id'), 'string') = 'string'
  and (p_operation -> 'purpose' in ('"turn"', '"compaction"', '"failed"', '"tool"')) is not false;
--! EndIncluded rules/plain_cancel.sql
--! Included rules/plain_dispatch.sql
-- Whether the dispatch of a hold is plain in its own keys (ledger_private.plain_operation).
create or replace function ledger_private.plain_dispatch(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation - '{
    op,operation_id,effective_at,tags,node_id
  }'::text[] = '{}'
  and jsonb_typeof(p_operation -> 'operation_id') = 'string'
  and jsonb_typeof(p_operation -> 'node_id') = 'string';
--! EndIncluded rules/plain_dispatch.sql
--! Included rules/plain_operation.sql
-- Whether an operation is plain: one of the common ones in the form in which clients send it. What is plain can be read by casts and booked
-- without looking for what may be wrong with it: it is never what ledger_private.misfit_of_operation rejects, as far as the operation alone
-- tells; two things are left to who reads it: its spend's amounts must be plain (ledger_private.plain_amounts), and effective_at not in the
-- future. What is not plain may be right all the same: it goes the general way, which decides. Null counts as false. Its spend and its budget are
-- given beside it: taken out of it once, not for each thing that is asked of them.
create or replace function ledger_private.plain_operation(
  p_operation jsonb,
  p_spend jsonb,
  p_budget jsonb
)
returns boolean
language sql
immutable
parallel safe
return case p_operation ->> 'op'
    when 'meter' then ledger_private.plain_meter(p_operation)
    when 'spawn' then ledger_private.plain_spawn(p_operation)
    when 'settle' then ledger_private.plain_settle(p_operation)
    when 'cancel' then ledger_private.plain_cancel(p_operation)
    when 'dispatch' then ledger_private.plain_dispatch(p_operation)
    else false
  end
  and ledger_private.plain_texts(p_operation)
  and case when p_operation ->> 'op' in ('meter', 'settle') or p_operation ? 'spend' then ledger_private.plain_spend(p_spend) else true end
  and case when p_operation ->> 'op' = 'spawn' then ledger_private.plain_budget(p_budget) else true end;
--! EndIncluded rules/plain_operation.sql
--! Included private/assert_tenant.sql
-- LG009 where the caller's login role is not bound to the tenant, then LG012 where the tenant does not exist: in this order, so that a stranger
-- cannot find out which tenants there are.
create or replace function ledger_private.assert_tenant(p_tenant_id text)
returns void
language plpgsql
stable
as $$
declare
  v_mine text;
begin
  -- only tenants that exist are bound to
  perform from ledger_private.role_bindings b where b.tenant_id = p_tenant_id and b.role_name = session_user and p_tenant_id <> '*';
  if found then
    return;
  end if;
  v_mine := ledger.caller_tenant();
  if v_mine is null or (v_mine <> '*' and v_mine is distinct from p_tenant_id) then
    perform ledger_private.raise_error('LG009', jsonb_build_object('role', session_user), 'an administrator binds roles with ledger.bind_role');
  elsif not exists (select from ledger_private.tenants t where t.tenant_id = p_tenant_id) then
    perform ledger_private.raise_error('LG012', jsonb_build_object('tenant_id', p_tenant_id), 'ledger.create_tenant makes it');
  end if;
end;
$$;
--! EndIncluded private/assert_tenant.sql

-- Locks: one look where nothing is waited for
--! Included private/pools_named.sql
-- The pools whose balances operations move, before payers: those they name, those of the nodes they name, and the pools above that book a
-- settlement, a close, a correction or late spend too.
create or replace function ledger_private.pools_named(p_tenant_id text, p_operations jsonb)
returns text[]
language plpgsql
stable
as $$
declare
  v_pools text[];
  v_nodes text[];
  v_ending text[];
  v_more text[];
  v_looked_up boolean;
begin
  select
    array_agg(distinct n.pool_id) filter (where n.pool_id is not null)
      || array_agg(distinct n.parent_pool_id) filter (where n.parent_pool_id is not null)
      || array_agg(distinct n.run_id) filter (where n.run_id is not null),
    array_agg(distinct n.node_id) filter (where n.node_id is not null and n.op <> 'spawn'),
    array_agg(distinct coalesce(n.pool_id, n.node_id)) filter (where n.op in ('settle', 'cancel', 'close_pool', 'expire')),
    bool_or(n.op in ('correct', 'expire'))
  into v_pools, v_nodes, v_ending, v_looked_up
  from (
    select
      o.op ->> 'op' as op,
      case when jsonb_typeof(o.op -> 'pool_id') = 'string' then o.op ->> 'pool_id' end as pool_id,
      case when jsonb_typeof(o.op -> 'node_id') = 'string' then o.op ->> 'node_id' end as node_id,
      case when o.op ->> 'op' = 'open_pool' and jsonb_typeof(o.op -> 'parent_pool_id') = 'string' then o.op ->> 'parent_pool_id' end
        as parent_pool_id,
      case when o.op ->> 'op' = 'judge' and jsonb_typeof(o.op -> 'run_id') = 'string' then o.op ->> 'run_id' end as run_id
    from jsonb_array_elements(p_operations) o (op)
    where jsonb_typeof(o.op) = 'object'
    offset 0
  ) n;
  v_pools := coalesce(v_pools, '{}');
  if v_nodes is not null then
    select v_pools || coalesce(array_agg(k.pool_id), '{}') into v_pools
    from unnest(v_nodes) i (node_id)
    cross join lateral (
      select unnest(array[n.parent_node_id, case when n.driver then n.node_id end]) as pool_id
      from ledger_private.nodes n where n.tenant_id = p_tenant_id and n.node_id = i.node_id
      offset 0
    ) k
    where k.pool_id is not null;
  end if;
  if v_looked_up then
    v_pools := v_pools || ledger_private.pools_looked_up(p_tenant_id, p_operations);
  end if;
  -- a pool that ends books in its parent; so does, one above the other, each that is closed already
  v_more := v_pools;
  while cardinality(v_more) > 0 loop
    select coalesce(array_agg(distinct p.parent_pool_id), '{}') into v_more
    from unnest(v_more) m (pool_id)
    cross join lateral (
      select p.* from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = m.pool_id limit 1
    ) p
    where p.parent_pool_id <> all (v_pools) and (p.state = 'closed' or p.pool_id = any (v_ending));
    v_pools := v_pools || v_more;
  end loop;
  return v_pools;
end;
$$;
--! EndIncluded private/pools_named.sql
--! Included private/lock_keys.sql
-- The advisory locks of operations, ascending: the one lock order of every writer. One operation on a leaf or an open pool that pays for itself
-- needs no more than that pool.
create or replace function ledger_private.lock_keys(p_tenant_id text, p_operations jsonb)
returns bigint[]
language plpgsql
stable
as $$
declare
  v_operation constant jsonb := p_operations -> 0;
  v_pool_id text;
  v_payers text[];
begin
  if jsonb_typeof(p_operations) = 'array' and jsonb_array_length(p_operations) = 1 then
    if v_operation ->> 'op' in ('meter', 'spawn') then
      select p.pool_id, p.payers into v_pool_id, v_payers from ledger_private.pools p
      where p.tenant_id = p_tenant_id and p.pool_id = v_operation ->> 'pool_id' and p.state <> 'closed';
    elsif v_operation ->> 'op' in ('settle', 'dispatch', 'extend') then
      select p.pool_id, p.payers into v_pool_id, v_payers
      from ledger_private.nodes n
      cross join lateral (
        select p.* from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = n.parent_node_id limit 1
      ) p
      where n.tenant_id = p_tenant_id and n.node_id = v_operation ->> 'node_id' and not n.driver and p.state <> 'closed';
    end if;
    if v_pool_id is not null and v_payers is null then
      return array[ledger_private.lock_key(p_tenant_id, v_pool_id)];
    end if;
  end if;
  return array(
    select distinct ledger_private.lock_key(p_tenant_id, l.pool_id)
    from unnest(ledger_private.pools_locked(p_tenant_id, p_operations)) l (pool_id)
    order by 1
  );
end;
$$;
--! EndIncluded private/lock_keys.sql
--! Included private/lock_all.sql
-- Takes the locks of operations, ascending, until the transaction ends.
create or replace function ledger_private.lock_all(p_tenant_id text, p_operations jsonb)
returns void
language plpgsql
as $$
declare
  v_key bigint;
begin
  foreach v_key in array ledger_private.lock_keys(p_tenant_id, p_operations) loop
    perform pg_advisory_xact_lock(v_key);
  end loop;
end;
$$;
--! EndIncluded private/lock_all.sql
--! Included functions/locks_for.sql
-- The advisory keys that operations lock (ledger.pools_of), ascending: what ledger.submit takes before its transaction begins.
-- Raises: LG009, LG012, LG001 (not an array).
create or replace function ledger.locks_for(p_tenant_id text, p_operations jsonb)
returns bigint[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  return ledger_private.lock_keys(p_tenant_id, p_operations);
end;
$$;
comment on function ledger.locks_for(text, jsonb) is 'The advisory keys a batch of operations locks, in lock order.';
revoke all on function ledger.locks_for(text, jsonb) from public;
grant execute on function ledger.locks_for(text, jsonb) to ledger_admin, ledger_writer;
--! EndIncluded functions/locks_for.sql

-- An operation is written once, with its answer; one alone takes the plain path.
alter table ledger_private.operations set (fillfactor = 100);
drop function if exists ledger_private.claim(text, jsonb[], timestamptz);
drop function if exists ledger_private.keep(jsonb[], tid[], ledger_private.answer[]);
--! Included private/book_plainly.sql
-- A plain meter (ledger_private.plain_meter), or settlement of a leaf, by few statements: an open pool that pays for itself, dollars known or
-- estimated, nothing sealed. The answer; null where it is not so, and nothing of it stays. The general path (op_meter, op_settle) says the same
-- at length: a test books every vector both ways. The answer is kept without the result, which ledger_private.replay finds in the journal.
-- p_priced: the operation with what it is estimated to cost (ledger_private.priced).
create or replace function ledger_private.book_plainly(
  p_tenant_id text,
  p_operation jsonb,
  p_priced jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_spend constant jsonb := p_priced -> 'spend';
  v_ends constant boolean := p_operation ->> 'op' = 'settle';
  v_node_id text;
  v_place tid; -- of the node
  v_pool_id text;
  v_run_id text;
  v_tags jsonb;
  v_token_charge text;
  v_budget jsonb;
  v_tokens_held numeric := 0;
  v_iterations_held numeric := 0;
  v_usd_held numeric := 0;
  v_tokens numeric;
  v_iterations constant numeric := v_spend -> 'iterations';
  v_usd numeric := v_spend ->> 'usd';
  v_uncertain_usd numeric := 0;
  v_tokens_unknown integer := 0;
  v_usd_unknown integer := 0;
  v_sign integer;
  v_moved integer;
  v_seq bigint;
  v_usage ledger_private.usage;
begin
  if v_ends then
    select
      n.node_id, n.ctid, p.pool_id, p.run_id, n.tags, p.token_charge, n.budget,
      coalesce((n.hold -> 'tokens')::numeric, 0), coalesce((n.hold -> 'iterations')::numeric, 0), coalesce((n.hold -> 'usd')::numeric, 0)
    into v_node_id, v_place, v_pool_id, v_run_id, v_tags, v_token_charge, v_budget, v_tokens_held, v_iterations_held, v_usd_held
    from ledger_private.nodes n
    cross join lateral (
      select p.* from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = n.parent_node_id limit 1
    ) p
    where n.tenant_id = p_tenant_id and n.node_id = p_operation ->> 'node_id' and not n.driver and n.ended_at is null
      and p.state <> 'closed' and p.payers is null and n.hold - '{tokens,iterations,usd}'::text[] = '{}';
  else
    select p.pool_id, p.pool_id, p.run_id, p.tags, p.token_charge into v_node_id, v_pool_id, v_run_id, v_tags, v_token_charge
    from ledger_private.pools p
    where p.tenant_id = p_tenant_id and p.pool_id = p_operation ->> 'pool_id' and p.state <> 'closed' and p.payers is null;
  end if;
  if v_pool_id is null then
    return null;
  end if;
  v_tokens := (v_spend -> 'input_tokens')::numeric + (v_spend -> 'output_tokens')::numeric;
  if v_token_charge = 'uncached' then
    v_tokens := v_tokens - coalesce((v_spend -> 'cache_read_tokens')::numeric, 0);
  end if;
  if v_spend -> 'usd_known' = 'false' then
    v_usd := coalesce(v_usd, ledger_private.amount(v_budget -> 'usd'));
    v_uncertain_usd := v_usd;
    v_usd_unknown := 1;
    if v_usd is null then
      return null;
    end if;
  end if;
  if v_spend -> 'tokens_known' = 'false' then
    v_tokens_unknown := 1;
  end if;

  -- what turns out late is taken back by the same statements: in a subtransaction a row that was written would still count as read
  foreach v_sign in array '{1,-1}'::integer[] loop
    update ledger_private.channels c
    set reserved = c.reserved - v_sign * d.held, committed = c.committed + v_sign * d.spent, free = c.free + v_sign * (d.held - d.spent),
      uncertain = c.uncertain + v_sign * d.uncertain, unknown = c.unknown + v_sign * d.unknown
    from (
      values
        ('tokens', v_tokens_held, v_tokens, 0, v_tokens_unknown),
        ('iterations', v_iterations_held, v_iterations, 0, 0),
        ('usd', v_usd_held, v_usd, v_uncertain_usd, v_usd_unknown)
    ) d (channel, held, spent, uncertain, unknown)
    cross join lateral (
      select k.ctid as place from ledger_private.channels k
      where k.tenant_id = p_tenant_id and k.pool_id = v_pool_id and k.channel = d.channel and k.seals = 0
      limit 1
    ) k
    where d.held + d.spent + d.unknown > 0 and c.ctid = k.place;
    get diagnostics v_moved = row_count;

    update ledger_private.pool_heads h
    set seq = h.seq + v_sign, open_holds = h.open_holds - v_sign * v_ends::integer, undelivered = h.undelivered + v_sign * v_ends::integer
    where h.tenant_id = p_tenant_id and h.pool_id = v_pool_id
    returning h.seq into strict v_seq;
    if v_sign < 0 then
      return null;
    end if;

    continue when v_moved < (v_tokens + v_tokens_held + v_tokens_unknown > 0)::integer + (v_iterations + v_iterations_held > 0)::integer
      + (v_usd + v_usd_held + v_usd_unknown > 0)::integer; -- a row is sealed
    insert into ledger_private.operations (tenant_id, operation_id, digest, pool_id, seq, at)
    values (p_tenant_id, p_operation ->> 'operation_id', ledger_private.digest_of(p_operation), v_pool_id, v_seq, p_at)
    on conflict do nothing;
    exit when found;
  end loop;

  if v_ends then
    update ledger_private.nodes n
    set status = p_operation ->> 'outcome', terminal_seq = v_seq, ended_at = p_at, verdict = p_operation -> 'verdict',
      out_ref = p_operation ->> 'out_ref', reason = p_operation ->> 'reason', infra = (p_operation -> 'infra')::boolean
    where n.ctid = v_place;
  end if;

  insert into ledger_private.journal (
    tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, tags,
    provider, model, provider_request_id, purpose, turn, tool_calls, detail, outcome, verdict, out_ref, reason, infra,
    iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
    cache_write_1h_tokens, reasoning_tokens, charged_tokens,
    usd, ms, uncertain_usd, tokens_known, usd_known, tokens_held, tokens_spent, tokens_unknown,
    iterations_held, iterations_spent, usd_held, usd_spent, usd_uncertain, usd_unknown
  ) values (
    p_tenant_id, v_pool_id, v_seq, case when v_ends then 'settled' else 'metered' end, p_operation ->> 'operation_id', p_at,
    coalesce((p_operation ->> 'effective_at')::timestamptz, p_at), v_run_id, v_node_id, ledger_private.tags_of(v_tags, p_operation -> 'tags'),
    p_operation ->> 'provider', p_operation ->> 'model', p_operation ->> 'provider_request_id', p_operation ->> 'purpose',
    (p_operation -> 'turn')::integer, p_operation -> 'tool_calls', ledger_private.detail_of(p_priced),
    p_operation ->> 'outcome', p_operation -> 'verdict', p_operation ->> 'out_ref', p_operation ->> 'reason', (p_operation -> 'infra')::boolean,
    v_iterations, (v_spend -> 'input_tokens')::numeric, (v_spend -> 'output_tokens')::numeric,
    nullif((v_spend -> 'cache_read_tokens')::numeric, 0), nullif((v_spend -> 'cache_write_tokens')::numeric, 0),
    nullif((v_spend -> 'cache_write_1h_tokens')::numeric, 0), nullif((v_spend -> 'reasoning_tokens')::numeric, 0), v_tokens,
    v_usd, nullif((v_spend -> 'ms')::numeric, 0), nullif(v_uncertain_usd, 0), v_tokens_unknown = 0, v_usd_unknown = 0,
    -nullif(v_tokens_held, 0), nullif(v_tokens, 0), nullif(v_tokens_unknown, 0),
    -nullif(v_iterations_held, 0), nullif(v_iterations, 0),
    -nullif(v_usd_held, 0), nullif(v_usd, 0), nullif(v_uncertain_usd, 0), nullif(v_usd_unknown, 0)
  );
  if not v_ends then
    return row('ok', null, null, v_pool_id, v_seq)::ledger_private.answer;
  end if;
  v_usage := row(
    v_iterations, (v_spend -> 'input_tokens')::numeric, (v_spend -> 'output_tokens')::numeric, coalesce((v_spend -> 'cache_read_tokens')::numeric, 0),
    coalesce((v_spend -> 'cache_write_tokens')::numeric, 0), coalesce((v_spend -> 'reasoning_tokens')::numeric, 0), v_tokens, v_usd,
    coalesce((v_spend -> 'ms')::numeric, 0), 0, 0, v_uncertain_usd, v_tokens_unknown = 0, v_usd_unknown = 0, null, v_tokens_unknown, 0,
    v_usd_unknown, 0, coalesce((v_spend -> 'cache_write_1h_tokens')::numeric, 0)
  );
  return row('ok', null, ledger_private.ending_json(v_usage, v_budget), v_pool_id, v_seq)::ledger_private.answer;
end;
$$;
--! EndIncluded private/book_plainly.sql
--! Included private/spawn_plainly.sql
-- The spawn of a leaf in its common form and by few statements: an open pool that pays for itself, under no freeze or deadline that has passed; no
-- key; room for all of it on channels that the pool caps. As ledger_private.book_plainly otherwise; the general path is op_spawn.
create or replace function ledger_private.spawn_plainly(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool_id constant text := p_operation ->> 'pool_id';
  v_budget constant jsonb := p_operation -> 'budget';
  v_lease_at constant timestamptz := p_at + (p_operation ->> 'lease_ms')::double precision * interval '1 millisecond';
  v_pool record;
  v_hold jsonb;
  v_suits boolean;
  v_tags jsonb;
  v_node_id text;
  v_place tid;
  v_sign integer;
  v_seq bigint;
  v_children integer;
begin
  select p.run_id, p.tags into v_pool
  from ledger_private.pools p
  where p.tenant_id = p_tenant_id and p.pool_id = v_pool_id and p.state = 'open' and p.payers is null and (p_at >= p.deadline_at) is not true
    and (select t.frozen_pools from ledger_private.tenants t where t.tenant_id = p_tenant_id) = 0;
  if not found then
    return null;
  end if;

  foreach v_sign in array '{1,-1}'::integer[] loop
    with held as (
      update ledger_private.channels c
      set free = c.free - v_sign * coalesce((v_budget ->> c.channel)::numeric, 0),
        reserved = c.reserved + v_sign * coalesce((v_budget ->> c.channel)::numeric, 0)
      where c.tenant_id = p_tenant_id and c.pool_id = v_pool_id and c.total is not null
      returning c.channel, c.free, c.seals, (v_budget ->> c.channel)::numeric as want
    )
    select
      coalesce(jsonb_object_agg(h.channel, h.want) filter (where h.want > 0), '{}'),
      coalesce(bool_and(h.free >= 0 and h.seals = 0 and (h.want is not null or h.channel not in ('tokens', 'iterations'))), true)
        and count(h.want) = (select count(*) from jsonb_object_keys(v_budget))
    into v_hold, v_suits
    from held h;

    update ledger_private.pool_heads h
    set seq = h.seq + v_sign, open_holds = h.open_holds + v_sign, children = h.children + v_sign,
      next_lease_at = case when v_sign > 0 then least(h.next_lease_at, v_lease_at) else h.next_lease_at end
    where h.tenant_id = p_tenant_id and h.pool_id = v_pool_id
    returning h.seq, h.children - 1 into strict v_seq, v_children;
    if v_sign < 0 then
      return null;
    end if;

    v_node_id := coalesce(p_operation ->> 'node_id', v_pool_id || ':s' || v_children);
    v_tags := ledger_private.tags_of(v_pool.tags, p_operation -> 'tags');
    continue when not v_suits or v_node_id = v_pool_id or char_length(v_node_id) > 200;
    insert into ledger_private.nodes (
      tenant_id, node_id, parent_node_id, run_id, label, runtime, task_ref, budget, hold, tags, lease_at, spawned_at
    ) values (
      p_tenant_id, v_node_id, v_pool_id, v_pool.run_id, p_operation ->> 'label', p_operation ->> 'runtime', p_operation ->> 'task_ref',
      v_budget, v_hold, v_tags, v_lease_at, p_at
    )
    on conflict do nothing
    returning ctid into v_place;
    continue when not found;
    insert into ledger_private.operations (tenant_id, operation_id, digest, pool_id, seq, at)
    values (p_tenant_id, p_operation ->> 'operation_id', ledger_private.digest_of(p_operation), v_pool_id, v_seq, p_at)
    on conflict do nothing;
    exit when found;
    delete from ledger_private.nodes n where n.ctid = v_place;
  end loop;

  insert into ledger_private.journal (
    tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, tags, tokens_held, iterations_held, usd_held
  ) values (
    p_tenant_id, v_pool_id, v_seq, 'spawned', p_operation ->> 'operation_id', p_at,
    coalesce((p_operation ->> 'effective_at')::timestamptz, p_at), v_pool.run_id, v_node_id, v_tags,
    (v_hold ->> 'tokens')::numeric, (v_hold ->> 'iterations')::numeric, (v_hold ->> 'usd')::numeric
  );
  return row('ok', null, jsonb_build_object('node_id', v_node_id), v_pool_id, v_seq)::ledger_private.answer;
end;
$$;
--! EndIncluded private/spawn_plainly.sql
--! Included private/claim.sql
-- Claims an operation id for this call by inserting it, which reads nothing: the place of its row, null where the id is taken. The place is a
-- ctid, so that writing the answer later does not search the index either: a search would lock the page that strangers insert their own ids into.
create or replace function ledger_private.claim(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns tid
language plpgsql
as $$
declare
  v_place tid;
begin
  insert into ledger_private.operations (tenant_id, operation_id, digest, at)
  values (p_tenant_id, p_operation ->> 'operation_id', ledger_private.digest_of(p_operation), p_at)
  on conflict do nothing
  returning ctid into v_place;
  return v_place;
end;
$$;
--! EndIncluded private/claim.sql
--! Included private/keep.sql
-- Keeps the answer of a claimed operation at its place; an error is not kept, so that the same id may come again.
create or replace function ledger_private.keep(
  p_operation jsonb,
  p_place tid,
  p_answer ledger_private.answer
)
returns void
language plpgsql
as $$
begin
  if p_answer.status = 'error' then
    delete from ledger_private.operations k where k.ctid = p_place;
    return;
  end if;
  update ledger_private.operations k
  set code = p_answer.code, pool_id = p_answer.pool_id, seq = p_answer.seq, result = p_answer.result,
    label = case when p_answer.code is not null then coalesce(p_operation ->> 'label', p_operation #>> '{run,label}') end
  where k.ctid = p_place;
end;
$$;
--! EndIncluded private/keep.sql
--! Included private/result_of.sql
-- What an answer says besides its place, from the journal row that carries the operation: the node that was made, or what an ending
-- booked and where that is above its ceilings (neither changes: corrections are rows of their own). Null for the others.
create or replace function ledger_private.result_of(p_tenant_id text, p_pool_id text, p_seq bigint)
returns jsonb
language plpgsql
stable
as $$
declare
  v_event constant ledger_private.journal := ledger_private.find_event(p_tenant_id, p_pool_id, p_seq);
begin
  return case
    when v_event.kind = 'spawned' then jsonb_build_object('node_id', v_event.node_id)
    when v_event.kind in ('settled', 'cancelled') then ledger_private.ending_json(
      ledger_private.usage_in(v_event), (ledger_private.find_node(p_tenant_id, v_event.node_id)).budget
    )
  end;
end;
$$;
--! EndIncluded private/result_of.sql
--! Included private/replay.sql
-- The answer to an operation id that is kept: the first answer again, or LG005 where the content differs. Null where the id is new.
create or replace function ledger_private.replay(p_tenant_id text, p_operation jsonb)
returns ledger_private.answer
language plpgsql
stable
as $$
declare
  v_kept ledger_private.operations;
begin
  select * into v_kept from ledger_private.operations o
  where o.tenant_id = p_tenant_id and o.operation_id = p_operation ->> 'operation_id';
  if v_kept.operation_id is null then
    return null;
  elsif v_kept.digest <> ledger_private.digest_of(p_operation) then
    return ledger_private.failed('LG005', 'operation_id', format('operation %s was already used with other content', v_kept.operation_id));
  end if;
  return row(
    'replayed', v_kept.code, coalesce(v_kept.result, ledger_private.result_of(p_tenant_id, v_kept.pool_id, v_kept.seq)), v_kept.pool_id, v_kept.seq
  )::ledger_private.answer;
end;
$$;
--! EndIncluded private/replay.sql
drop function if exists ledger_private.fold(text, jsonb[], timestamptz);
drop function if exists ledger_private.steps(text, jsonb[], jsonb[], timestamptz);
drop type if exists ledger_private.step;
create type ledger_private.step as (
  n integer,
  op text,
  operation jsonb,
  priced jsonb,
  operation_id text,
  effective_at timestamptz,
  pool_id text,
  run_id text,
  node_id text,
  place tid,
  tags jsonb,
  budget jsonb,
  lease_at timestamptz,
  payers text[],
  tokens_payer text,
  iterations_payer text,
  usd_payer text,
  tokens_wanted numeric,
  iterations_wanted numeric,
  usd_wanted numeric,
  iterations numeric,
  input_tokens numeric,
  output_tokens numeric,
  cache_read_tokens numeric,
  cache_write_tokens numeric,
  cache_write_1h_tokens numeric,
  reasoning_tokens numeric,
  charged_tokens numeric,
  usd numeric,
  ms numeric,
  uncertain_usd numeric,
  tokens_unknown integer,
  usd_unknown integer,
  tokens_held numeric,
  iterations_held numeric,
  usd_held numeric,
  plain boolean
);
create type ledger_private.entry as (
  n integer,
  pool_id text,
  drawn boolean,
  booked boolean,
  spawns boolean,
  ends boolean,
  lease_at timestamptz,
  tokens_wanted numeric,
  iterations_wanted numeric,
  usd_wanted numeric,
  tokens_held numeric,
  iterations_held numeric,
  usd_held numeric,
  tokens_spent numeric,
  iterations_spent numeric,
  usd_spent numeric,
  usd_uncertain numeric,
  tokens_unknown integer,
  usd_unknown integer
);
create type ledger_private.drawn as (
  n integer,
  pool_id text,
  seq bigint,
  tokens_spent numeric,
  tokens_unknown integer,
  iterations_spent numeric,
  usd_spent numeric,
  usd_uncertain numeric,
  usd_unknown integer
);
comment on type ledger_private.entry is 'What a step does to the balances of one pool (ledger_private.entries).';
comment on type ledger_private.drawn is 'The drawn row of a step with another pool that pays for it.';
comment on type ledger_private.step is 'One operation of a batch as ledger_private.steps reads it: what it does to its pool and node.';
--! Included rules/digest_of.sql
-- What makes two operations of one id the same: sha256 of the jsonb text without the id. (Immutable in effect; convert_to is not declared so, and
-- what is declared as it is goes into the query that asks.)
create or replace function ledger_private.digest_of(p_operation jsonb)
returns bytea
language sql
stable
parallel safe
return sha256(convert_to((p_operation - 'operation_id')::text, 'UTF8'));
--! EndIncluded rules/digest_of.sql
--! Included rules/detail_of.sql
-- The detail of an operation's journal row: what the caller gave, what it said became of tools, and the book its spend was priced from
-- (ledger_private.priced). What is no object stands under `detail` then. (Stable, as jsonb_build_object is declared: so it goes into the query that
-- asks.)
create or replace function ledger_private.detail_of(p_operation jsonb)
returns jsonb
language sql
stable
parallel safe
return case
  when not p_operation ?| array['price_book', 'tool_results'] then p_operation -> 'detail'
  else jsonb_strip_nulls(jsonb_build_object('price_book', p_operation -> 'price_book', 'tool_results', p_operation -> 'tool_results')) || case
    when jsonb_typeof(p_operation -> 'detail') = 'object' then p_operation -> 'detail'
    when p_operation ? 'detail' then jsonb_build_object('detail', p_operation -> 'detail')
    else '{}'
  end
end;
--! EndIncluded rules/detail_of.sql
drop function if exists ledger_private.load_pools(text, text[]);
drop function if exists ledger_private.load_nodes(text, text[]);
drop function if exists ledger_private.insert_nodes(ledger_private.nodes[]);
drop function if exists ledger_private.store_fold(ledger_private.pool_heads[], ledger_private.channels[], ledger_private.nodes[], ledger_private.journal[]);
drop function if exists ledger_private.foldable(jsonb);
--! Included private/priced_batch.sql
-- The operations of a batch with what they are estimated to cost (ledger_private.priced), where they are plain and need a price; the others as they
-- are. One rate card for the batch.
create or replace function ledger_private.priced_batch(
  p_tenant_id text,
  p_operations jsonb[],
  p_at timestamptz
)
returns jsonb[]
language plpgsql
as $$
declare
  v_asked jsonb[];
  v_card jsonb;
begin
  if not exists (select from unnest(p_operations) o (operation) where ledger_private.needs_price(o.operation)) then
    return p_operations;
  end if;
  v_asked := array(
    select case
      when ledger_private.needs_price(o.operation) and ledger_private.plain_operation(o.operation, o.operation -> 'spend', null) then o.operation
    end
    from unnest(p_operations) with ordinality o (operation, n) order by o.n
  );
  v_card := ledger_private.rate_card(p_tenant_id, array_remove(v_asked, null));
  if v_card is null then
    return p_operations;
  end if;
  return array(
    select case when o.asked is null then o.operation
      else ledger_private.priced(o.operation, v_card, coalesce((o.operation ->> 'effective_at')::timestamptz, p_at)) end
    from unnest(p_operations, v_asked) with ordinality o (operation, asked, n) order by o.n
  );
end;
$$;
--! EndIncluded private/priced_batch.sql
--! Included private/read_operations.sql
-- The operations of a batch, in order, each read once and from the inside out: its texts, whether it is plain (ledger_private.plain_operation),
-- and what only then may be cast. p_priced: the operations with what they are estimated to cost. One select, which the planner puts into the
-- query that asks; offset 0 keeps it from working out the same twice.
create or replace function ledger_private.read_operations(p_operations jsonb[], p_priced jsonb[])
returns table (
  n bigint,
  op text,
  operation jsonb,
  priced jsonb,
  operation_id text,
  pool_id text,
  node_id text,
  plain boolean,
  effective_at timestamptz,
  budget jsonb,
  iterations numeric,
  input_tokens numeric,
  output_tokens numeric,
  cache_read_tokens numeric,
  cache_write_tokens numeric,
  cache_write_1h_tokens numeric,
  reasoning_tokens numeric,
  ms numeric,
  usd numeric,
  usd_known boolean,
  tokens_unknown integer
)
language sql
stable
as $$
  select
    g.n, g.op, g.operation, g.priced, g.operation_id, g.pool_id, g.node_id, g.plain,
    case when g.plain then (g.operation ->> 'effective_at')::timestamptz end, g.budget,
    (g.spend ->> 'iterations')::numeric, (g.spend ->> 'input_tokens')::numeric, (g.spend ->> 'output_tokens')::numeric,
    coalesce((g.spend ->> 'cache_read_tokens')::numeric, 0), coalesce((g.spend ->> 'cache_write_tokens')::numeric, 0),
    coalesce((g.spend ->> 'cache_write_1h_tokens')::numeric, 0), coalesce((g.spend ->> 'reasoning_tokens')::numeric, 0),
    coalesce((g.spend ->> 'ms')::numeric, 0), (g.spend ->> 'usd')::numeric, coalesce((g.spend ->> 'usd_known')::boolean, true),
    case when (g.spend ->> 'tokens_known')::boolean is false then 1 else 0 end
  from (
    select
      e.n, e.op, e.operation, e.priced, e.operation_id, e.pool_id, e.node_id, e.plain,
      case when e.plain and e.op = 'spawn' then e.budget end as budget,
      case
        when not e.plain or e.op in ('spawn', 'dispatch') then null
        else coalesce(e.priced -> 'spend', '{"iterations": 0, "input_tokens": 0, "output_tokens": 0, "usd": 0}') -- of a leaf that is cancelled
      end as spend
    from (
      select t.*, coalesce(ledger_private.plain_operation(t.operation, t.spend, t.budget), false) as plain
      from (
        select
          o.n, o.operation, o.priced, o.operation ->> 'op' as op, o.operation ->> 'operation_id' as operation_id,
          o.operation ->> 'pool_id' as pool_id, o.operation ->> 'node_id' as node_id, o.operation -> 'budget' as budget,
          o.operation -> 'spend' as spend
        from unnest(p_operations, p_priced) with ordinality o (operation, priced, n)
        offset 0
      ) t
      offset 0
    ) e
    offset 0
  ) g
  offset 0
$$;
--! EndIncluded private/read_operations.sql
--! Included private/steps.sql
-- The operations of a batch, in order, as steps: with the node and the pool each works on, both found by key, and whether it is plain: never what
-- ledger_private.misfit_of_operation rejects and, as far as can be told before balances are moved, neither refused nor wrong. What is not plain may
-- be right all the same; its other columns mean nothing. One select, which the planner puts into the query that asks.
create or replace function ledger_private.steps(p_tenant_id text, p_operations jsonb[], p_priced jsonb[], p_at timestamptz)
returns setof ledger_private.step
language sql
stable
as $$
  select
    f.n::integer, f.op, f.operation, f.priced, f.operation_id, f.effective_at, f.pool_id, f.run_id, f.node_id, f.place,
    case when f.plain then ledger_private.tags_of(f.tags, f.operation -> 'tags') end, f.budget,
    case when f.plain then p_at + (f.operation ->> 'lease_ms')::double precision * interval '1 millisecond' end,
    f.payers, f.tokens_payer, f.iterations_payer, f.usd_payer, f.tokens_wanted, f.iterations_wanted, f.usd_wanted,
    f.iterations, f.input_tokens, f.output_tokens, f.cache_read_tokens, f.cache_write_tokens, f.cache_write_1h_tokens, f.reasoning_tokens,
    f.input_tokens + f.output_tokens - case f.token_charge when 'uncached' then f.cache_read_tokens else 0 end,
    f.usd, f.ms, case when f.usd_known then 0 else coalesce(f.usd, 0) end, f.tokens_unknown, case when f.usd_known then 0 else 1 end,
    case when f.tokens_payer = f.pool_id then coalesce(f.tokens_wanted, -f.tokens_released, 0) else 0 end,
    case when f.iterations_payer = f.pool_id then coalesce(f.iterations_wanted, -f.iterations_released, 0) else 0 end,
    case when f.usd_payer = f.pool_id then coalesce(f.usd_wanted, -f.usd_released, 0) else 0 end,
    coalesce(
      f.pool_state <> 'closed' and f.effective_at <= p_at and case f.op
        when 'spawn' then f.pool_state = 'open' and (p_at >= f.deadline_at) is not true and f.node_id is distinct from f.pool_id
          and f.budget is not null and coalesce(f.paid_by, '{}') - '{tokens,iterations,usd}'::text[] = '{}'
          -- a ceiling for what the pool caps; dollars only where it caps them
          and (f.tokens_payer is distinct from f.pool_id or f.budget ? 'tokens')
          and (f.iterations_payer is distinct from f.pool_id or f.budget ? 'iterations')
          and (f.usd_payer is not distinct from f.pool_id or f.usd_wanted = 0)
          and (select t.frozen_pools = 0 from ledger_private.tenants t where t.tenant_id = p_tenant_id)
        when 'dispatch' then f.status = 'pending'
        else (f.op = 'meter' or (f.status in ('pending', 'dispatched') and not f.driver and f.hold - '{tokens,iterations,usd}'::text[] = '{}'))
          and ledger_private.plain_amounts(
            f.input_tokens, f.output_tokens, f.cache_read_tokens, f.cache_write_tokens, f.cache_write_1h_tokens, f.reasoning_tokens
          )
          -- what was never dispatched and is cancelled costs nothing; after that its ceilings, which the general path charges
          and (f.op <> 'cancel' or f.status = 'pending' or f.operation ? 'spend')
          -- dollars that nobody knows seal who pays for them, unless he only flags them
          and (f.usd is not null or f.usd_payer is null or (f.usd_payer = f.pool_id and f.unknown_usd = 'flag'))
      end,
      false
    )
  from (
    select
      c.n, c.op, c.operation, c.priced, c.operation_id, c.plain, coalesce(c.effective_at, p_at) as effective_at,
      case when c.op = 'meter' then p.pool_id else c.node_id end as node_id, k.place, k.status, k.driver, k.hold,
      p.pool_id, p.run_id, p.state as pool_state, p.deadline_at, p.unknown_usd, p.token_charge, p.payers, p.paid_by,
      case when k.place is null then p.tags else k.tags end as tags, coalesce(c.budget, k.budget) as budget,
      p.paid_by ->> 'tokens' as tokens_payer, p.paid_by ->> 'iterations' as iterations_payer, p.paid_by ->> 'usd' as usd_payer,
      coalesce((c.budget ->> 'tokens')::numeric, case c.op when 'spawn' then 0 end) as tokens_wanted,
      coalesce((c.budget ->> 'iterations')::numeric, case c.op when 'spawn' then 0 end) as iterations_wanted,
      coalesce((c.budget ->> 'usd')::numeric, case c.op when 'spawn' then 0 end) as usd_wanted,
      (k.released ->> 'tokens')::numeric as tokens_released, (k.released ->> 'iterations')::numeric as iterations_released,
      (k.released ->> 'usd')::numeric as usd_released,
      c.iterations, c.input_tokens, c.output_tokens, c.cache_read_tokens, c.cache_write_tokens, c.cache_write_1h_tokens, c.reasoning_tokens, c.ms,
      c.tokens_unknown, c.usd_known, case when c.usd_known then c.usd else coalesce(c.usd, (k.budget ->> 'usd')::numeric) end as usd
    from ledger_private.read_operations(p_operations, p_priced) c
    left join lateral (
      select n.ctid as place, n.parent_node_id, n.status, n.driver, n.hold, n.budget, n.tags, case when c.op <> 'dispatch' then n.hold end as released
      from ledger_private.nodes n
      where c.plain and c.op in ('settle', 'dispatch', 'cancel') and n.tenant_id = p_tenant_id and n.node_id = c.node_id
      limit 1
    ) k on true
    left join lateral (
      select p.pool_id, p.run_id, p.state, p.deadline_at, p.unknown_usd, p.token_charge, p.tags, p.payers, p.paid_by
      from ledger_private.pools p
      where p.tenant_id = p_tenant_id and p.pool_id = coalesce(k.parent_node_id, case when c.plain then c.pool_id end)
      limit 1
    ) p on true
    offset 0
  ) f
$$;
--! EndIncluded private/steps.sql
--! Included private/plain_steps.sql
-- The steps of a batch (ledger_private.steps) from the first one on, as long as they are plain and none is about the node of an earlier one.
create or replace function ledger_private.plain_steps(
  p_tenant_id text,
  p_operations jsonb[],
  p_at timestamptz
)
returns ledger_private.step[]
language plpgsql
as $$
declare
  v_priced constant jsonb[] := ledger_private.priced_batch(p_tenant_id, p_operations, p_at);
begin
  return (
    with read as materialized (
      select s.* from ledger_private.steps(p_tenant_id, p_operations, v_priced, p_at) s
    )
    select array_agg(r::ledger_private.step order by r.n)
    from read r
    where r.n < least(
      (select min(s.n) from read s where not s.plain),
      (
        select min(s.n)
        from (select i.n, row_number() over (partition by i.node_id order by i.n) as nth from read i where i.op in ('settle', 'dispatch', 'cancel')) s
        where s.nth > 1
      ),
      cardinality(p_operations) + 1
    )
  );
end;
$$;
--! EndIncluded private/plain_steps.sql
--! Included private/entries.sql
-- What steps do to balances, pool by pool: each to its own pool, and to each other pool that pays for it, which gets a `drawn` row; for a spawn that
-- is only the question whether there is room. wanted: what must be free there at that moment, null where nothing is asked. One select, which the
-- planner puts into the query that asks.
create or replace function ledger_private.entries(p_steps ledger_private.step[])
returns setof ledger_private.entry
language sql
immutable
as $$
  select *
  from (
    select
      s.n, a.pool_id, a.pool_id <> s.pool_id, a.pool_id = s.pool_id or s.op <> 'spawn', s.op = 'spawn',
      a.pool_id = s.pool_id and s.op in ('settle', 'cancel'), s.lease_at,
      case when s.tokens_payer = a.pool_id then s.tokens_wanted end as tokens_wanted,
      case when s.iterations_payer = a.pool_id then s.iterations_wanted end as iterations_wanted,
      case when s.usd_payer = a.pool_id then s.usd_wanted end as usd_wanted,
      case when a.pool_id = s.pool_id then s.tokens_held else 0 end as tokens_held,
      case when a.pool_id = s.pool_id then s.iterations_held else 0 end as iterations_held,
      case when a.pool_id = s.pool_id then s.usd_held else 0 end as usd_held,
      case when a.pool_id = s.pool_id or s.tokens_payer = a.pool_id then coalesce(s.charged_tokens, 0) else 0 end as tokens_spent,
      case when a.pool_id = s.pool_id or s.iterations_payer = a.pool_id then coalesce(s.iterations, 0) else 0 end as iterations_spent,
      case when a.pool_id = s.pool_id or s.usd_payer = a.pool_id then coalesce(s.usd, 0) else 0 end as usd_spent,
      case when a.pool_id = s.pool_id or s.usd_payer = a.pool_id then s.uncertain_usd else 0 end as usd_uncertain,
      case when a.pool_id = s.pool_id or s.tokens_payer = a.pool_id then s.tokens_unknown else 0 end as tokens_unknown,
      case when a.pool_id = s.pool_id or s.usd_payer = a.pool_id then s.usd_unknown else 0 end as usd_unknown
    from unnest(p_steps) s
    cross join lateral (select unnest(s.pool_id || s.payers) as pool_id) a
    offset 0
  ) e (
    n, pool_id, drawn, booked, spawns, ends, lease_at, tokens_wanted, iterations_wanted, usd_wanted, tokens_held, iterations_held, usd_held,
    tokens_spent, iterations_spent, usd_spent, usd_uncertain, tokens_unknown, usd_unknown
  )
  where not e.drawn or e.spawns or e.tokens_spent <> 0 or e.iterations_spent <> 0 or e.usd_spent <> 0 or e.tokens_unknown <> 0
    or e.usd_unknown <> 0
$$;
--! EndIncluded private/entries.sql
--! Included private/move_pools.sql
-- Moves the heads and balances of the pools that steps work on (ledger_private.entries), each row once, and tells how they were. It moves before
-- anybody has looked whether there is room, because a row that was written counts no longer as read (ledger_private.move_channels): found by key,
-- written by place, row after row. Balances move as ledger_private.moved has it where nothing is sealed.
-- p_seqs, p_children: by step, its seq and how many children its pool had had before it. p_drawn: the `drawn` rows.
create or replace function ledger_private.move_pools(
  p_tenant_id text,
  p_steps ledger_private.step[],
  out p_seqs bigint[],
  out p_children bigint[],
  out p_drawn ledger_private.drawn[],
  out p_heads ledger_private.pool_heads[],
  out p_rows ledger_private.channels[]
)
language plpgsql
as $$
begin
  with placed as materialized (
    select
      e.*,
      dense_rank() over (order by e.pool_id) as place, -- of the pool among those of this call: lists by place carry what is found out about pools
      count(*) filter (where e.booked) over earlier as rows_before,
      count(*) filter (where e.spawns) over earlier as children_before
    from ledger_private.entries(p_steps) e
    window earlier as (partition by e.pool_id order by e.n rows between unbounded preceding and 1 preceding)
  ),
  sums as materialized (
    select
      p.place, p.pool_id,
      count(*) filter (where p.booked) as rows, count(*) filter (where p.spawns) as asks, count(*) filter (where p.spawns and not p.drawn) as spawned,
      count(*) filter (where p.ends) as ended, min(p.lease_at) filter (where not p.drawn) as lease_at,
      sum(p.tokens_held) as tokens_held, sum(p.iterations_held) as iterations_held, sum(p.usd_held) as usd_held,
      sum(p.tokens_spent) as tokens_spent, sum(p.iterations_spent) as iterations_spent, sum(p.usd_spent) as usd_spent,
      sum(p.usd_uncertain) as usd_uncertain, sum(p.tokens_unknown) as tokens_unknown, sum(p.usd_unknown) as usd_unknown
    from placed p
    group by p.place, p.pool_id
  ),
  heads as (
    update ledger_private.pool_heads h
    set seq = h.seq + s.rows, open_holds = h.open_holds + s.spawned - s.ended, children = h.children + s.spawned,
      undelivered = h.undelivered + s.ended, next_lease_at = least(h.next_lease_at, s.lease_at)
    from sums s
    cross join lateral (
      select k.ctid as at, k as head from ledger_private.pool_heads k where k.tenant_id = p_tenant_id and k.pool_id = s.pool_id limit 1
    ) k
    where h.ctid = k.at
    returning s.place, k.head
  ),
  balances as (
    update ledger_private.channels c
    set free = c.free - d.held - d.spent, reserved = c.reserved + d.held, committed = c.committed + d.spent,
      uncertain = c.uncertain + d.uncertain, unknown = c.unknown + d.unknown
    from sums s
    cross join lateral (
      values
        ('tokens', s.tokens_held, s.tokens_spent, 0::numeric, s.tokens_unknown), ('iterations', s.iterations_held, s.iterations_spent, 0, 0),
        ('usd', s.usd_held, s.usd_spent, s.usd_uncertain, s.usd_unknown)
    ) d (channel, held, spent, uncertain, unknown)
    cross join lateral (
      select k.ctid as at, k as balance from ledger_private.channels k
      where k.tenant_id = p_tenant_id and k.pool_id = s.pool_id and k.channel = d.channel
      limit 1
    ) k
    where c.ctid = k.at and (s.asks > 0 or d.held <> 0 or d.spent <> 0 or d.unknown <> 0)
    returning k.balance
  ),
  were as materialized (
    select
      array_agg((h.head).seq order by h.place) as seqs, array_agg((h.head).children order by h.place) as children,
      array_agg(h.head order by h.place) as heads
    from heads h
  )
  select
    array_agg(w.seqs[p.place] + p.rows_before + 1 order by p.n) filter (where not p.drawn),
    array_agg(w.children[p.place] + p.children_before order by p.n) filter (where not p.drawn),
    array_agg(row(
      p.n, p.pool_id, w.seqs[p.place] + p.rows_before + 1, p.tokens_spent, p.tokens_unknown, p.iterations_spent, p.usd_spent, p.usd_uncertain,
      p.usd_unknown
    )::ledger_private.drawn) filter (where p.drawn and p.booked),
    (select v.heads from were v),
    (select array_agg(b.balance) from balances b)
  into p_seqs, p_children, p_drawn, p_heads, p_rows
  from placed p
  cross join were w;
end;
$$;
--! EndIncluded private/move_pools.sql
--! Included private/stop_of.sql
-- The first of steps that cannot be booked as it is, now that balances are moved (ledger_private.move_pools, which tells how they were): one that
-- finds no room at its turn, works on a pool of which a row is sealed, or makes a child whose derived id is too long. Null where all can.
create or replace function ledger_private.stop_of(
  p_steps ledger_private.step[],
  p_rows ledger_private.channels[],
  p_node_ids text[]
)
returns integer
language plpgsql
stable
as $$
declare
  v_sealed constant text[] := array(select r.pool_id from unnest(p_rows) r where r.seals > 0);
  v_stop integer;
begin
  if cardinality(v_sealed) > 0 then
    v_stop := (select min(e.n) from ledger_private.entries(p_steps) e where e.pool_id = any (v_sealed));
  end if;
  if p_node_ids is null then
    return v_stop;
  end if;
  return least(
    v_stop,
    (select min(i.n) from unnest(p_node_ids) with ordinality i (node_id, n) where char_length(i.node_id) > 200),
    (
      select min(f.n)
      from (
        select
          m.n,
          m.tokens_wanted > sum(m.tokens) over earlier or m.iterations_wanted > sum(m.iterations) over earlier
            or m.usd_wanted > sum(m.usd) over earlier as short
        from (
          select
            e.n, e.pool_id, e.tokens_wanted, e.iterations_wanted, e.usd_wanted,
            -e.tokens_held - e.tokens_spent as tokens, -e.iterations_held - e.iterations_spent as iterations, -e.usd_held - e.usd_spent as usd
          from ledger_private.entries(p_steps) e
          union all
          select
            0, r.pool_id, null, null, null, case r.channel when 'tokens' then r.free end, case r.channel when 'iterations' then r.free end,
            case r.channel when 'usd' then r.free end
          from unnest(p_rows) r
        ) m
        window earlier as (partition by m.pool_id order by m.n rows between unbounded preceding and 1 preceding)
      ) f
      where f.short
    )
  );
end;
$$;
--! EndIncluded private/stop_of.sql
--! Included private/first_taken.sql
-- The position of the first id (nulls aside) that is not among those that could be claimed, or stands a second time.
create or replace function ledger_private.first_taken(p_ids text[], p_claimed text[])
returns integer
language plpgsql
immutable
as $$
begin
  return (
    select min(i.n)
    from (select u.id, u.n, row_number() over (partition by u.id order by u.n) as nth from unnest(p_ids) with ordinality u (id, n)) i
    where i.nth > 1 and i.id is not null or i.id <> all (coalesce(p_claimed, '{}'))
  );
end;
$$;
--! EndIncluded private/first_taken.sql
--! Included private/claim_steps.sql
-- Claims the operation ids of steps and the ids of the children they make by inserting the rows, which reads nothing (p_node_ids: by step, null where
-- none is made). p_stop: the first step of which an id was taken, before this call or in it; null where all are ours. p_operations, p_nodes: where
-- the rows are that were inserted.
create or replace function ledger_private.claim_steps(
  p_tenant_id text,
  p_steps ledger_private.step[],
  p_seqs bigint[],
  p_node_ids text[],
  p_at timestamptz,
  out p_stop integer,
  out p_operations tid[],
  out p_nodes tid[]
)
language plpgsql
as $$
declare
  v_ids text[];
begin
  with claimed as (
    insert into ledger_private.operations (tenant_id, operation_id, digest, pool_id, seq, at)
    select p_tenant_id, s.operation_id, ledger_private.digest_of(s.operation), s.pool_id, p_seqs[s.n], p_at
    from unnest(p_steps) s
    on conflict do nothing
    returning operation_id, ctid as place
  )
  select array_agg(c.operation_id), array_agg(c.place) into v_ids, p_operations from claimed c;
  if coalesce(cardinality(v_ids), 0) < cardinality(p_steps) then
    p_stop := ledger_private.first_taken(array(select s.operation_id from unnest(p_steps) s order by s.n), v_ids);
    return;
  elsif p_node_ids is null then
    return;
  end if;

  with made as (
    insert into ledger_private.nodes (
      tenant_id, node_id, parent_node_id, run_id, label, runtime, task_ref, budget, hold, tags, lease_at, spawned_at
    )
    select
      p_tenant_id, p_node_ids[s.n], s.pool_id, s.run_id, s.operation ->> 'label', s.operation ->> 'runtime', s.operation ->> 'task_ref', s.budget,
      jsonb_strip_nulls(jsonb_build_object(
        'tokens', nullif(s.tokens_held, 0), 'iterations', nullif(s.iterations_held, 0), 'usd', nullif(s.usd_held, 0)
      )),
      s.tags, s.lease_at, p_at
    from unnest(p_steps) s
    where s.op = 'spawn'
    on conflict do nothing
    returning node_id, ctid as place
  )
  select array_agg(m.node_id), array_agg(m.place) into v_ids, p_nodes from made m;
  if coalesce(cardinality(v_ids), 0) < cardinality(array_remove(p_node_ids, null)) then
    p_stop := ledger_private.first_taken(p_node_ids, v_ids);
  end if;
end;
$$;
--! EndIncluded private/claim_steps.sql
--! Included private/book_steps.sql
-- Writes what steps say that hold their claims: the nodes they end or dispatch, and the journal, `drawn` rows included.
create or replace function ledger_private.book_steps(
  p_tenant_id text,
  p_steps ledger_private.step[],
  p_seqs bigint[],
  p_node_ids text[],
  p_drawn ledger_private.drawn[],
  p_at timestamptz
)
returns void
language plpgsql
as $$
begin
  if exists (select from unnest(p_steps) s where s.place is not null) then
    update ledger_private.nodes k
    set status = case s.op when 'settle' then s.operation ->> 'outcome' when 'cancel' then 'cancelled' else 'dispatched' end,
      dispatched_at = case when s.op = 'dispatch' then p_at else k.dispatched_at end,
      ended_at = case when s.op <> 'dispatch' then p_at end, terminal_seq = case when s.op <> 'dispatch' then p_seqs[s.n] end,
      verdict = s.operation -> 'verdict', out_ref = s.operation ->> 'out_ref', reason = s.operation ->> 'reason',
      infra = (s.operation -> 'infra')::boolean
    from unnest(p_steps) s
    where k.ctid = s.place;
  end if;
  if p_drawn is not null then
    insert into ledger_private.journal (
      tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, source_pool_id, source_seq,
      tokens_spent, tokens_unknown, iterations_spent, usd_spent, usd_uncertain, usd_unknown
    )
    select
      p_tenant_id, d.pool_id, d.seq, 'drawn', p_steps[d.n].operation_id, p_at, p_steps[d.n].effective_at, p.run_id, p_steps[d.n].node_id,
      p_steps[d.n].pool_id, p_seqs[d.n], nullif(d.tokens_spent, 0), nullif(d.tokens_unknown, 0), nullif(d.iterations_spent, 0),
      nullif(d.usd_spent, 0), nullif(d.usd_uncertain, 0), nullif(d.usd_unknown, 0)
    from unnest(p_drawn) d
    cross join lateral (
      select p.run_id from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = d.pool_id limit 1
    ) p;
  end if;
  insert into ledger_private.journal (
    tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, tags,
    provider, model, provider_request_id, purpose, turn, tool_calls, detail, outcome, verdict, out_ref, reason, infra,
    iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, charged_tokens,
    usd, ms, uncertain_usd, tokens_known, usd_known,
    tokens_held, tokens_spent, tokens_unknown, iterations_held, iterations_spent, usd_held, usd_spent, usd_uncertain, usd_unknown, usd_seals
  )
  select
    p_tenant_id, s.pool_id, p_seqs[s.n],
    case s.op when 'meter' then 'metered' when 'spawn' then 'spawned' when 'settle' then 'settled' when 'cancel' then 'cancelled' else 'dispatched'
    end,
    s.operation_id, p_at, s.effective_at, s.run_id, coalesce(p_node_ids[s.n], s.node_id), s.tags,
    s.operation ->> 'provider', s.operation ->> 'model', s.operation ->> 'provider_request_id', s.operation ->> 'purpose',
    (s.operation ->> 'turn')::integer, s.operation -> 'tool_calls', ledger_private.detail_of(s.priced),
    case s.op when 'cancel' then 'cancelled' else s.operation ->> 'outcome' end, s.operation -> 'verdict', s.operation ->> 'out_ref',
    s.operation ->> 'reason', (s.operation -> 'infra')::boolean,
    s.iterations, s.input_tokens, s.output_tokens, nullif(s.cache_read_tokens, 0), nullif(s.cache_write_tokens, 0),
    nullif(s.cache_write_1h_tokens, 0), nullif(s.reasoning_tokens, 0), s.charged_tokens, s.usd, nullif(s.ms, 0), nullif(s.uncertain_usd, 0),
    case when s.charged_tokens is not null then s.tokens_unknown = 0 end, case when s.charged_tokens is not null then s.usd_unknown = 0 end,
    nullif(s.tokens_held, 0), nullif(s.charged_tokens, 0), nullif(s.tokens_unknown, 0), nullif(s.iterations_held, 0), nullif(s.iterations, 0),
    nullif(s.usd_held, 0), nullif(s.usd, 0), nullif(s.uncertain_usd, 0), nullif(s.usd_unknown, 0),
    case when s.usd is null and s.usd_unknown > 0 then 1 end
  from unnest(p_steps) s;
end;
$$;
--! EndIncluded private/book_steps.sql
--! Included private/put_back.sql
-- Undoes what a fold wrote before it found that it could not go on (ledger_private.fold): heads and balances as they were, what it inserted gone.
create or replace function ledger_private.put_back(
  p_heads ledger_private.pool_heads[],
  p_rows ledger_private.channels[],
  p_operations tid[],
  p_nodes tid[]
)
returns void
language plpgsql
as $$
begin
  update ledger_private.pool_heads h
  set seq = b.seq, open_holds = b.open_holds, children = b.children, undelivered = b.undelivered, next_lease_at = b.next_lease_at
  from unnest(p_heads) b
  cross join lateral (
    select k.ctid as place from ledger_private.pool_heads k where k.tenant_id = b.tenant_id and k.pool_id = b.pool_id limit 1
  ) k
  where h.ctid = k.place;

  update ledger_private.channels c
  set free = b.free, reserved = b.reserved, committed = b.committed, uncertain = b.uncertain, unknown = b.unknown
  from unnest(p_rows) b
  cross join lateral (
    select k.ctid as place from ledger_private.channels k
    where k.tenant_id = b.tenant_id and k.pool_id = b.pool_id and k.channel = b.channel limit 1
  ) k
  where c.ctid = k.place;

  delete from ledger_private.operations o using unnest(p_operations) p (place) where o.ctid = p.place;
  delete from ledger_private.nodes n using unnest(p_nodes) p (place) where n.ctid = p.place;
end;
$$;
--! EndIncluded private/put_back.sql
--! Included private/fold.sql
-- As many operations of a batch as go together, from the first one on: those that are plain (ledger_private.steps) and have room. A handful of
-- statements books them, whatever their number, each row written once. Returns their answers, in order; none where not even the first is plain.
-- What stops a fold is decided by the general path: the fold holds no refusal and no error of its own. It moves balances before it knows that all is
-- well (ledger_private.move_pools); where it then finds that it cannot go on, nothing is in the journal yet: it puts everything back and folds what
-- stands before. Idempotency is its own business: operations are written with the place of their journal row, where their answer is found again.
create or replace function ledger_private.fold(
  p_tenant_id text,
  p_operations jsonb[],
  p_at timestamptz
)
returns ledger_private.answer[]
language plpgsql
as $$
declare
  v_steps constant ledger_private.step[] := ledger_private.plain_steps(p_tenant_id, p_operations, p_at);
  v_seqs bigint[]; -- by step
  v_children bigint[];
  v_drawn ledger_private.drawn[];
  v_heads ledger_private.pool_heads[]; -- as they were
  v_rows ledger_private.channels[];
  v_claimed tid[];
  v_made tid[];
  v_node_ids text[]; -- of children, by step; null where none is made
  v_stop integer;
begin
  if v_steps is null then
    return '{}';
  end if;
  select m.p_seqs, m.p_children, m.p_drawn, m.p_heads, m.p_rows into v_seqs, v_children, v_drawn, v_heads, v_rows
  from ledger_private.move_pools(p_tenant_id, v_steps) m;
  if exists (select from unnest(v_steps) s where s.op = 'spawn') then
    v_node_ids := array(
      select case when s.op = 'spawn' then coalesce(s.node_id, s.pool_id || ':s' || v_children[s.n]) end
      from unnest(v_steps) s
      order by s.n
    );
  end if;
  v_stop := ledger_private.stop_of(v_steps, v_rows, v_node_ids);
  if v_stop is null then
    select c.p_stop, c.p_operations, c.p_nodes into v_stop, v_claimed, v_made
    from ledger_private.claim_steps(p_tenant_id, v_steps, v_seqs, v_node_ids, p_at) c;
  end if;
  if v_stop is not null then
    perform ledger_private.put_back(v_heads, v_rows, v_claimed, v_made);
    return case when v_stop > 1 then ledger_private.fold(p_tenant_id, p_operations[1:v_stop - 1], p_at) else '{}' end;
  end if;
  perform ledger_private.book_steps(p_tenant_id, v_steps, v_seqs, v_node_ids, v_drawn, p_at);
  return array(
    select row(
      'ok', null,
      case
        when s.op = 'spawn' then jsonb_build_object('node_id', v_node_ids[s.n])
        when s.op in ('settle', 'cancel') then ledger_private.ending_json(row(
          s.iterations, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens, s.reasoning_tokens, s.charged_tokens, s.usd,
          s.ms, 0, 0, s.uncertain_usd, s.tokens_unknown = 0, s.usd_unknown = 0, null, s.tokens_unknown, 0, s.usd_unknown, 0,
          s.cache_write_1h_tokens
        )::ledger_private.usage, s.budget)
      end,
      s.pool_id, v_seqs[s.n]
    )::ledger_private.answer
    from unnest(v_steps) s
    order by s.n
  );
end;
$$;
--! EndIncluded private/fold.sql
--! Included private/perform_plainly.sql
-- One operation the plain way (ledger_private.book_plainly, spawn_plainly). Null where it is not of a common form, or where it turns out late
-- that an id is taken, a row is sealed or there is no room: then nothing of it stays.
create or replace function ledger_private.perform_plainly(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_op constant text := p_operation ->> 'op';
  v_spend constant jsonb := p_operation -> 'spend';
  v_budget constant jsonb := p_operation -> 'budget';
  v_priced jsonb := p_operation;
begin
  if v_op is null or ledger_private.instant(p_operation ->> 'effective_at') > p_at then
    return null;
  elsif v_op = 'spawn' then
    if ledger_private.plain_spawn(p_operation) and ledger_private.plain_texts(p_operation) and ledger_private.plain_budget(v_budget) then
      return ledger_private.spawn_plainly(p_tenant_id, p_operation, p_at);
    end if;
  elsif (v_op = 'meter' and ledger_private.plain_meter(p_operation) or v_op = 'settle' and ledger_private.plain_settle(p_operation))
    and ledger_private.plain_texts(p_operation) and ledger_private.plain_spend(v_spend) and ledger_private.plain_amounts(
      (v_spend -> 'input_tokens')::numeric, (v_spend -> 'output_tokens')::numeric, (v_spend -> 'cache_read_tokens')::numeric,
      (v_spend -> 'cache_write_tokens')::numeric, (v_spend -> 'cache_write_1h_tokens')::numeric, (v_spend -> 'reasoning_tokens')::numeric
    )
  then
    if ledger_private.needs_price(p_operation) then
      v_priced := ledger_private.priced(
        p_operation, ledger_private.rate_card(p_tenant_id, array[p_operation]), coalesce(ledger_private.instant(p_operation ->> 'effective_at'), p_at)
      );
    end if;
    return ledger_private.book_plainly(p_tenant_id, p_operation, v_priced, p_at);
  end if;
  return null;
end;
$$;
--! EndIncluded private/perform_plainly.sql
--! Included private/perform_alone.sql
-- One operation by itself, its id claimed and its answer kept: the plain path where it can, else the general one. The caller holds its locks.
create or replace function ledger_private.perform_alone(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_answer ledger_private.answer := ledger_private.perform_plainly(p_tenant_id, p_operation, p_at);
  v_place tid;
begin
  if v_answer.status is not null then
    return v_answer;
  end if;
  if ledger_private.fits('id', p_operation -> 'operation_id') then
    v_place := ledger_private.claim(p_tenant_id, p_operation, p_at);
    if v_place is null then
      v_answer := ledger_private.replay(p_tenant_id, p_operation);
    end if;
  end if;
  if v_answer.status is null then
    v_answer := ledger_private.perform(p_tenant_id, p_operation, p_at);
    perform ledger_private.keep(p_operation, v_place, v_answer);
  end if;
  return v_answer;
end;
$$;
--! EndIncluded private/perform_alone.sql
--! Included private/apply_batch.sql
-- Operations in order, as fast as they can be: as many as go together at once (ledger_private.fold), the one that stopped them by itself, and so
-- on. Fewer than four are not worth a fold, nor are folds that keep stopping: then the rest goes one by one.
create or replace function ledger_private.apply_batch(
  p_tenant_id text,
  p_operations jsonb[],
  p_at timestamptz
)
returns ledger_private.answer[]
language plpgsql
as $$
declare
  v_size constant integer := cardinality(p_operations);
  v_answers ledger_private.answer[] := '{}';
  v_next integer := 1;
  v_stops integer := 0;
begin
  while v_next <= v_size loop
    if v_size - v_next >= 3 and v_stops < 8 then
      v_answers := v_answers || ledger_private.fold(p_tenant_id, p_operations[v_next:], p_at);
      v_next := cardinality(v_answers) + 1;
      exit when v_next > v_size;
      v_stops := v_stops + 1;
    end if;
    v_answers := v_answers || ledger_private.perform_alone(p_tenant_id, p_operations[v_next], p_at);
    v_next := v_next + 1;
  end loop;
  return v_answers;
end;
$$;
--! EndIncluded private/apply_batch.sql
--! Included functions/apply_as_json.sql
-- Applies an ordered batch of operations in the caller's serializable transaction: [{position, status, code, result}], position from 0. A refused
-- or failed operation changes no balance and stops no other; with p_atomic the first one raises LG008 and everything is rolled back.
-- Locks: the pools of ledger.pools_of, ascending, until the transaction ends.
-- Raises: LG006, LG009, LG012, LG001 (not an array, more than 1000 operations), LG008; 40001 where the transaction
-- began before it held the locks and lost.
create or replace function ledger.apply_as_json(
  p_tenant_id text,
  p_operations jsonb,
  p_atomic boolean default false
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
  v_answers ledger_private.answer[];
begin
  perform ledger_private.assert_writable(p_tenant_id);
  perform ledger_private.lock_all(p_tenant_id, p_operations);
  v_answers := ledger_private.apply_batch(
    p_tenant_id, array(select e.operation from jsonb_array_elements(p_operations) with ordinality e (operation, n) order by e.n), clock_timestamp()
  );
  if p_atomic then
    perform ledger_private.assert_all_ok(v_answers);
  end if;
  return (
    select coalesce(
      jsonb_agg(
        jsonb_build_object('position', a.ordinality - 1, 'status', a.status, 'code', a.code, 'result', case a.status
          when 'error' then a.result
          else jsonb_build_object('pool_id', a.pool_id, 'seq', a.seq) || coalesce(a.result, '{}')
        end)
        order by a.ordinality
      ),
      '[]'
    )
    from unnest(v_answers) with ordinality a
  );
end;
$$;
comment on function ledger.apply_as_json(text, jsonb, boolean) is 'ledger.apply with its answers as one JSON array, as ledger.submit gives them.';
revoke all on function ledger.apply_as_json(text, jsonb, boolean) from public;
grant execute on function ledger.apply_as_json(text, jsonb, boolean) to ledger_admin, ledger_writer;
--! EndIncluded functions/apply_as_json.sql
--! Included functions/apply.sql
-- Applies an ordered batch of operations in the caller's serializable transaction: one answer per operation, position from 0
-- (ledger.apply_as_json, as rows).
create or replace function ledger.apply(
  p_tenant_id text,
  p_operations jsonb,
  p_atomic boolean default false
)
returns table (
  "position" integer,
  status text,
  code text,
  result jsonb
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select a.position, a.status, a.code, a.result
    from jsonb_to_recordset(ledger.apply_as_json(p_tenant_id, p_operations, p_atomic))
      a ("position" integer, status text, code text, result jsonb)
    order by a.position;
end;
$$;
comment on function ledger.apply(text, jsonb, boolean) is 'Applies an ordered batch of operations; one answer per operation.';
revoke all on function ledger.apply(text, jsonb, boolean) from public;
grant execute on function ledger.apply(text, jsonb, boolean) to ledger_admin, ledger_writer;
--! EndIncluded functions/apply.sql
--! Included functions/submit.sql
-- Applies a batch in a transaction of its own, in one round trip: p_results = [{position, status, code, result}]. What clients use.
-- SERIALIZABLE fails rather than waits when its snapshot is older than the lock, so the locks come first: transaction-level (this is where it
-- waits, and any error frees them), then the same keys session-level (never waits), commit, a new serializable transaction, transaction-level
-- again (never waits; the snapshot is born under the lock), and the session's are given back. From there every error frees everything. A cancel
-- (57014) inside those statements can leave session locks: the client discards that connection.
-- It waits in READ COMMITTED: what a serializable transaction has read while it waits would count against those it waits for. Where a pool was
-- closed while it waited, more pools above it book: nothing is written yet, so all locks are given back and it starts over.
-- No security definer and no SET clause: a procedure that has one cannot COMMIT. It cannot run inside a transaction block.
-- Locks: the pools of ledger.pools_of, ascending.
-- Raises: as ledger.apply.
create or replace procedure ledger.submit(
  p_tenant_id text,
  p_operations jsonb,
  p_atomic boolean,
  inout p_results jsonb
)
language plpgsql
as $$
declare
  v_keys bigint[];
  v_key bigint;
  v_waited boolean;
begin
  loop
    commit; -- inside a transaction block this fails, before anything is locked
    set transaction isolation level read committed;
    v_keys := ledger.locks_for(p_tenant_id, p_operations);
    v_waited := false;
    foreach v_key in array v_keys loop
      if not pg_catalog.pg_try_advisory_xact_lock(v_key) then
        v_waited := true;
        perform pg_catalog.pg_advisory_xact_lock(v_key);
      end if;
    end loop;
    exit when not v_waited or v_keys operator(pg_catalog.@>) ledger.locks_for(p_tenant_id, p_operations);
  end loop;
  foreach v_key in array v_keys loop
    perform pg_catalog.pg_advisory_lock(v_key);
  end loop;
  commit;
  set transaction isolation level serializable;
  foreach v_key in array v_keys loop
    perform pg_catalog.pg_advisory_xact_lock(v_key);
  end loop;
  foreach v_key in array v_keys loop
    perform pg_catalog.pg_advisory_unlock(v_key);
  end loop;
  p_results := ledger.apply_as_json(p_tenant_id, p_operations, coalesce(p_atomic, false));
end;
$$;
comment on procedure ledger.submit(text, jsonb, boolean, jsonb) is
  'Applies a batch in its own serializable transaction, locks first, one round trip.';
revoke all on procedure ledger.submit(text, jsonb, boolean, jsonb) from public;
grant execute on procedure ledger.submit(text, jsonb, boolean, jsonb) to ledger_admin, ledger_writer;
--! EndIncluded functions/submit.sql

-- Retention: a replay window for operations, an archive for the journal of closed runs

-- What has left the journal for the archive: the same columns, one key, and the corrections of an event found as in the journal.
create table if not exists ledger_private.journal_archive (
  like ledger_private.journal,
  constraint journal_archive_pkey primary key (tenant_id, pool_id, seq)
);
create index if not exists journal_archive_corrects_idx on ledger_private.journal_archive (tenant_id, pool_id, corrects_seq)
  where corrects_seq is not null;
create table if not exists ledger_private.usage_lines_archive (
  like ledger_private.usage_lines,
  constraint usage_lines_archive_pkey primary key (tenant_id, pool_id, seq, line)
);
create table if not exists ledger_private.archives (
  tenant_id text not null,
  pool_id text not null,
  first_seq bigint not null,
  last_seq bigint not null,
  run_id text not null,
  events bigint not null,
  lines bigint not null,
  sums jsonb not null,
  export_digest text not null,
  archived_at timestamptz not null,
  archived_by text not null,
  constraint archives_pkey primary key (tenant_id, pool_id, first_seq),
  constraint archives_pool_fkey foreign key (tenant_id, pool_id) references ledger_private.pools (tenant_id, pool_id),
  constraint archives_stretch_whole check (first_seq > 0 and first_seq <= last_seq and events between 0 and last_seq - first_seq + 1),
  constraint archives_digest_sha256 check (export_digest ~ '^sha256:[0-9a-f]{64}$')
);
-- An event that leaves is looked for among those that plans refer to.
create index if not exists plans_event_idx on ledger_private.plans (tenant_id, pool_id, seq);
-- What only grows is vacuumed while its pages are at hand; the room of pruned operations and of archived events is soon used again.
alter table ledger_private.operations set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
alter table ledger_private.journal set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
alter table ledger_private.usage_lines set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);

drop function if exists ledger_private.event_booked_by(text, text);

--! Included rules/shape.sql
-- The keys of an operation (besides those of 'any'), of a spend, a usage line, a price, a tool call and a tool's result: name -> kind
-- (ledger_private.fits), 'spend', or the shape of an object; "!" lists the required ones, "*" stands for any other channel name. Null for an
-- operation that does not exist.
-- 'call' is a dispatch that names a pool: a driver's own call.
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
  when 'tool_call' then '{
    "!": ["name"],
    "name": "id", "id": "id", "arguments": "digest", "status": "tool_status"
  }'::jsonb
  when 'tool_result' then '{
    "!": ["id", "status"],
    "id": "id", "status": "tool_status"
  }'::jsonb
  when 'meter' then '{
    "!": ["pool_id", "spend"],
    "pool_id": "id", "turn": "small", "tool_calls": "tool_calls", "tool_results": "tool_results", "detail": "json",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'spawn' then '{
    "!": ["pool_id", "label", "budget"],
    "pool_id": "id", "node_id": "id", "label": "id", "runtime": "id", "key": "id", "task_ref": "digest", "lease_ms": "duration_ms", "driver": "flag",
    "budget": {"!": [], "tokens": "count", "iterations": "count", "usd": "money", "*": "money"}
  }'::jsonb
  when 'settle' then '{
    "!": ["node_id", "outcome"],
    "node_id": "id", "outcome": "outcome", "verdict": "json", "out_ref": "id", "reason": "text", "infra": "flag",
    "tool_calls": "tool_calls", "tool_results": "tool_results", "detail": "json",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'cancel' then '{
    "!": ["node_id", "reason"],
    "node_id": "id", "reason": "text", "tool_calls": "tool_calls", "tool_results": "tool_results", "detail": "json",
    "provider": "id", "model": "id", "provider_request_id": "id", "purpose": "purpose", "lines": "lines",
    "spend": "spend"
  }'::jsonb
  when 'correct' then '{
    "!": ["of", "spend", "reason"],
    "of": "id", "pool_id": "id", "reason": "text", "tool_calls": "tool_calls", "lines": "lines", "spend": "spend"
  }'::jsonb
  when 'dispatch' then '{
    "!": ["node_id"],
    "node_id": "id"
  }'::jsonb
  when 'call' then '{
    "!": ["pool_id", "meter_id"],
    "pool_id": "id", "meter_id": "id", "turn": "small", "provider": "id", "model": "id", "purpose": "purpose", "detail": "json"
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
--! Included rules/replay_window.sql
-- How long the answers of a tenant's operations are kept, by its settings: replay_days (ledger.create_tenant checks it), else 30 days.
create or replace function ledger_private.replay_window(p_settings jsonb)
returns interval
language sql
immutable
parallel safe
return make_interval(days => case jsonb_typeof(p_settings -> 'replay_days')
  when 'number' then least(greatest((p_settings -> 'replay_days')::numeric, 1), 99999)::integer
  else 30
end);
--! EndIncluded rules/replay_window.sql
--! Included private/assert_read_committed.sql
-- 55000 outside READ COMMITTED: what serializable keepers of the ledger read would make writers lose. p_hint: what sees to it.
create or replace function ledger_private.assert_read_committed(p_hint text)
returns void
language plpgsql
stable
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'runs in read committed only',
      hint = p_hint;
  end if;
end;
$$;
--! EndIncluded private/assert_read_committed.sql
--! Included private/raise_append_only.sql
-- Refuses a change of what is written once: 23001, constraint journal_append_only.
create or replace function ledger_private.raise_append_only(p_schema text, p_table text, p_what text)
returns void
language plpgsql
as $$
begin
  raise exception using
    errcode = 'restrict_violation',
    constraint = 'journal_append_only',
    table = p_table,
    schema = p_schema,
    message = format('the journal is append-only: %s is not allowed', lower(p_what)),
    hint = 'book the difference with a correct operation';
end;
$$;
--! EndIncluded private/raise_append_only.sql
--! Included triggers/journal__append_only.sql
-- Journal rows stay as they were written: no update, delete or truncate, also for the owner; neither in the archive, nor what is recorded of it.
-- What leaves the journal for the archive passes tg_journal__leave and tg_usage_lines__leave.
create or replace function ledger_private.tg_journal__append_only()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform ledger_private.raise_append_only(tg_table_schema, tg_table_name, tg_op);
  return null;
end;
$$;

create or replace trigger journal_append_only
before update on ledger_private.journal
for each row execute function ledger_private.tg_journal__append_only();

create or replace trigger journal_no_truncate
before truncate on ledger_private.journal
for each statement execute function ledger_private.tg_journal__append_only();

create or replace trigger usage_lines_append_only
before update on ledger_private.usage_lines
for each row execute function ledger_private.tg_journal__append_only();

create or replace trigger usage_lines_no_truncate
before truncate on ledger_private.usage_lines
for each statement execute function ledger_private.tg_journal__append_only();

create or replace trigger journal_archive_append_only
before update or delete on ledger_private.journal_archive
for each row execute function ledger_private.tg_journal__append_only();

create or replace trigger journal_archive_no_truncate
before truncate on ledger_private.journal_archive
for each statement execute function ledger_private.tg_journal__append_only();

create or replace trigger usage_lines_archive_append_only
before update or delete on ledger_private.usage_lines_archive
for each row execute function ledger_private.tg_journal__append_only();

create or replace trigger usage_lines_archive_no_truncate
before truncate on ledger_private.usage_lines_archive
for each statement execute function ledger_private.tg_journal__append_only();

create or replace trigger archives_append_only
before update or delete on ledger_private.archives
for each row execute function ledger_private.tg_journal__append_only();

create or replace trigger archives_no_truncate
before truncate on ledger_private.archives
for each statement execute function ledger_private.tg_journal__append_only();
--! EndIncluded triggers/journal__append_only.sql
--! Included triggers/journal__leave.sql
-- Journal rows leave only for the archive: each is there as it was, to the byte, and this very transaction has recorded that it went.
create or replace function ledger_private.tg_journal__leave()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select from gone g
    where not exists (
      select from ledger_private.journal_archive k
      where k.tenant_id = g.tenant_id and k.pool_id = g.pool_id and k.seq = g.seq and k *= g
    ) or not exists (
      select from ledger_private.archives a
      where a.tenant_id = g.tenant_id and a.pool_id = g.pool_id and g.seq between a.first_seq and a.last_seq
        and a.xmin = pg_current_xact_id()::xid
    )
  ) then
    perform ledger_private.raise_append_only(tg_table_schema, tg_table_name, tg_op);
  end if;
  return null;
end;
$$;

create or replace trigger journal_leave
after delete on ledger_private.journal
referencing old table as gone
for each statement execute function ledger_private.tg_journal__leave();
--! EndIncluded triggers/journal__leave.sql
--! Included triggers/usage_lines__leave.sql
-- Usage lines leave only for the archive, as the journal rows they belong to (tg_journal__leave).
create or replace function ledger_private.tg_usage_lines__leave()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select from gone g
    where not exists (
      select from ledger_private.usage_lines_archive k
      where k.tenant_id = g.tenant_id and k.pool_id = g.pool_id and k.seq = g.seq and k.line = g.line and k *= g
    ) or not exists (
      select from ledger_private.archives a
      where a.tenant_id = g.tenant_id and a.pool_id = g.pool_id and g.seq between a.first_seq and a.last_seq
        and a.xmin = pg_current_xact_id()::xid
    )
  ) then
    perform ledger_private.raise_append_only(tg_table_schema, tg_table_name, tg_op);
  end if;
  return null;
end;
$$;

create or replace trigger usage_lines_leave
after delete on ledger_private.usage_lines
referencing old table as gone
for each statement execute function ledger_private.tg_usage_lines__leave();
--! EndIncluded triggers/usage_lines__leave.sql
--! Included triggers/journal_archive__enter.sql
-- Rows enter the archive only as they are in the journal, to the byte: what is archived is a copy, and nothing else gets in.
create or replace function ledger_private.tg_journal_archive__enter()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select from come g
    where not exists (
      select from ledger_private.journal k
      where k.tenant_id = g.tenant_id and k.pool_id = g.pool_id and k.seq = g.seq and k *= g
    )
  ) then
    perform ledger_private.raise_append_only(tg_table_schema, tg_table_name, tg_op);
  end if;
  return null;
end;
$$;

create or replace trigger journal_archive_enter
after insert on ledger_private.journal_archive
referencing new table as come
for each statement execute function ledger_private.tg_journal_archive__enter();
--! EndIncluded triggers/journal_archive__enter.sql
--! Included triggers/usage_lines_archive__enter.sql
-- Usage lines enter the archive only as they are kept beside the journal (tg_journal_archive__enter).
create or replace function ledger_private.tg_usage_lines_archive__enter()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select from come g
    where not exists (
      select from ledger_private.usage_lines k
      where k.tenant_id = g.tenant_id and k.pool_id = g.pool_id and k.seq = g.seq and k.line = g.line and k *= g
    )
  ) then
    perform ledger_private.raise_append_only(tg_table_schema, tg_table_name, tg_op);
  end if;
  return null;
end;
$$;

create or replace trigger usage_lines_archive_enter
after insert on ledger_private.usage_lines_archive
referencing new table as come
for each statement execute function ledger_private.tg_usage_lines_archive__enter();
--! EndIncluded triggers/usage_lines_archive__enter.sql
--! Included views/history.sql
-- The journal with what has left it for the archive: what everything reads that asks what happened. Rows are in one of the two, whatever an
-- archiving in between has come to. Writers append to the journal alone.
create or replace view ledger_private.history
with (security_invoker = true)
as
select j.* from ledger_private.journal j
union all
select a.* from ledger_private.journal_archive a;
comment on view ledger_private.history is 'Every event: the journal and its archive.';
revoke all on ledger_private.history from public;
grant select on ledger_private.history to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/history.sql
--! Included views/usage_history.sql
-- The usage lines with those that have left for the archive, as ledger_private.history.
create or replace view ledger_private.usage_history
with (security_invoker = true)
as
select l.* from ledger_private.usage_lines l
union all
select a.* from ledger_private.usage_lines_archive a;
comment on view ledger_private.usage_history is 'Every usage line: those of the journal and of its archive.';
revoke all on ledger_private.usage_history from public;
grant select on ledger_private.usage_history to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/usage_history.sql
--! Included views/moves.sql
-- The journal unpivoted as it was booked, for sums: what each event did to each channel, with its counts of unknown events and seals. spent and
-- uncertain include what a seal put there; null = nothing.
create or replace view ledger_private.moves
with (security_invoker = true)
as
select j.tenant_id, j.pool_id, j.seq, m.channel, m.funded, m.held, m.spent, m.uncertain, m.unknown, m.seals, m.remainder
from ledger_private.history j
cross join lateral (
  select
    'tokens' as channel, j.tokens_funded as funded, j.tokens_held as held, j.tokens_spent as spent,
    j.tokens_uncertain as uncertain, j.tokens_unknown as unknown, 0 as seals, 0::numeric as remainder
  union all
  select
    'iterations', j.iterations_funded, j.iterations_held, j.iterations_spent, j.iterations_uncertain, j.iterations_unknown, 0, 0
  union all
  select
    'usd', j.usd_funded, j.usd_held, coalesce(j.usd_spent, 0) + coalesce(j.usd_remainder, 0),
    coalesce(j.usd_uncertain, 0) + coalesce(j.usd_remainder, 0), j.usd_unknown, j.usd_seals, j.usd_remainder
  union all
  select
    r.key, (r.value -> 'funded')::numeric, (r.value -> 'held')::numeric, (r.value -> 'spent')::numeric,
    (r.value -> 'uncertain')::numeric, (r.value -> 'unknown')::integer, 0, 0
  from jsonb_each(j.resource_moves) r
) m;
comment on view ledger_private.moves is 'What each event did to each channel, to be summed.';
revoke all on ledger_private.moves from public;
grant select on ledger_private.moves to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/moves.sql
--! Included private/find_event.sql
-- The journal row at a place of a pool, or null.
create or replace function ledger_private.find_event(
  p_tenant_id text,
  p_pool_id text,
  p_seq bigint
)
returns ledger_private.journal
language plpgsql
stable
as $$
declare
  v_event ledger_private.journal;
begin
  select * into v_event from ledger_private.history j where j.tenant_id = p_tenant_id and j.pool_id = p_pool_id and j.seq = p_seq;
  return v_event;
end;
$$;
--! EndIncluded private/find_event.sql
--! Included private/latest_of_first.sql
-- A moment by which pools that moved (ledger_private.pools_moved) have p_limit new rows together, so that nothing later is among the first
-- p_limit: infinity where there is none that is quickly known. Of each pool the first few rows are looked at, the fewer the more pools there are;
-- where enough pools have had theirs by some moment, that is it.
create or replace function ledger_private.latest_of_first(
  p_tenant_id text,
  p_pool_ids text[],
  p_after bigint[],
  p_heads bigint[],
  p_limit integer
)
returns timestamptz
language plpgsql
stable
as $$
declare
  v_few constant integer := greatest(2 * p_limit / cardinality(p_pool_ids), 1);
begin
  return coalesce((
    select f.at
    from unnest(p_pool_ids, p_after, p_heads) p (pool_id, after, head)
    cross join lateral (
      select max(j.recorded_at) as at from ledger_private.history j
      where j.tenant_id = p_tenant_id and j.pool_id = p.pool_id and j.seq > p.after and j.seq <= p.after + v_few
    ) f
    where p.head >= p.after + v_few
    order by f.at
    offset (p_limit - 1) / v_few limit 1
  ), 'infinity');
end;
$$;
--! EndIncluded private/latest_of_first.sql
--! Included private/booked_resources.sql
-- The named resources booked now for an event: {name: {amount, uncertain?, unknown?}} of its row and the corrections of it.
create or replace function ledger_private.booked_resources(p_event ledger_private.journal)
returns jsonb
language plpgsql
stable
as $$
begin
  return (
    select jsonb_object_agg(r.name, jsonb_strip_nulls(jsonb_build_object(
      'amount', r.amount, 'uncertain', nullif(r.uncertain, 0), 'unknown', nullif(r.unknown, 0)
    )))
    from (
      select
        e.key as name, sum(ledger_private.amount(e.value -> 'amount')) as amount,
        sum(coalesce((e.value -> 'uncertain')::numeric, 0)) as uncertain, sum(coalesce((e.value -> 'unknown')::numeric, 0)) as unknown
      from (
        select p_event.resources
        union all
        select j.resources from ledger_private.history j
        where j.tenant_id = p_event.tenant_id and j.pool_id = p_event.pool_id and j.corrects_seq = p_event.seq
      ) b
      cross join lateral jsonb_each(b.resources) e
      group by e.key
    ) r
  );
end;
$$;
--! EndIncluded private/booked_resources.sql
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
    select from ledger_private.history j
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
  from ledger_private.history j
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
--! Included private/event_in_pool.sql
-- The last event that an operation booked in a pool as its own, read from the pool's journal, which has no index on operations: for those no longer
-- kept. Null where there is none, no pool is named, or the event is one of several leaves that the operation expired there.
create or replace function ledger_private.event_in_pool(
  p_tenant_id text,
  p_operation_id text,
  p_pool_id text
)
returns ledger_private.journal
language plpgsql
stable
as $$
declare
  v_seqs bigint[];
  v_event ledger_private.journal;
begin
  if p_pool_id is null then
    return null;
  end if;
  v_seqs := array(
    select h.seq from ledger_private.history h
    where h.tenant_id = p_tenant_id and h.pool_id = p_pool_id and h.operation_id = p_operation_id and h.source_pool_id is null
    order by h.seq desc
    limit 2
  );
  v_event := ledger_private.find_event(p_tenant_id, p_pool_id, v_seqs[1]);
  if v_event.kind = 'expired' and cardinality(v_seqs) > 1 then
    return null;
  end if;
  return v_event;
end;
$$;
--! EndIncluded private/event_in_pool.sql
--! Included private/event_booked_by.sql
-- The event whose spend an operation booked, so that it can be corrected: a metered turn, a leaf's ending (stated, cancelled, or expired as the
-- only leaf), for a late settlement the expiry it made true. Null where the operation booked none of its own, or several. Where the operation is
-- no longer kept, its event is looked for in the pool named; where both are known, they must agree.
create or replace function ledger_private.event_booked_by(
  p_tenant_id text,
  p_operation_id text,
  p_pool_id text default null
)
returns ledger_private.journal
language plpgsql
stable
as $$
declare
  v_of ledger_private.operations;
  v_leaves ledger_private.nodes[];
  v_event ledger_private.journal;
begin
  select * into v_of from ledger_private.operations o where o.tenant_id = p_tenant_id and o.operation_id = p_operation_id;
  if v_of.operation_id is null then
    v_event := ledger_private.event_in_pool(p_tenant_id, p_operation_id, p_pool_id);
  elsif v_of.result ? 'expired' then
    v_leaves := array(
      select n
      from jsonb_array_elements(v_of.result -> 'expired') e
      cross join lateral ledger_private.find_node(p_tenant_id, e ->> 'node_id') n
      where not n.driver
      limit 2
    );
    if cardinality(v_leaves) = 1 then
      v_event := ledger_private.find_event(p_tenant_id, v_leaves[1].parent_node_id, v_leaves[1].terminal_seq);
    end if;
  else
    v_event := ledger_private.find_event(p_tenant_id, v_of.pool_id, v_of.seq);
  end if;
  if not coalesce(ledger_private.is_spend_event(v_event) and v_event.pool_id = coalesce(p_pool_id, v_event.pool_id), false) then
    return null;
  elsif v_event.corrects_seq is not null then
    return ledger_private.find_event(p_tenant_id, v_event.pool_id, v_event.corrects_seq);
  end if;
  return v_event;
end;
$$;
--! EndIncluded private/event_booked_by.sql
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
  select j.* into v_late from ledger_private.history j
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
      select j.seq from ledger_private.history j
      where j.tenant_id = p_event.tenant_id and j.pool_id = p_event.pool_id and j.corrects_seq = p_event.seq
    ) e
    cross join lateral (
      select k.* from ledger_private.usage_history k
      where k.tenant_id = p_event.tenant_id and k.pool_id = p_event.pool_id and k.seq = e.seq
      offset 0
    ) l;
end;
$$;
--! EndIncluded private/lines_kept.sql
--! Included operations/deliver.sql
-- deliver: the next cursor, from 0, to the child of the pool whose terminal row is earliest and undelivered. All null where nothing waits.
-- Errors: LG002.
create or replace function ledger_private.op_deliver(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_head ledger_private.pool_heads;
  v_node ledger_private.nodes;
  v_event ledger_private.journal;
  v_seq bigint;
begin
  select * into v_head from ledger_private.pool_heads h where h.tenant_id = p_tenant_id and h.pool_id = p_operation ->> 'pool_id';
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  elsif v_head.undelivered = 0 then
    return ledger_private.ok(v_pool.pool_id, null, '{"node_id": null, "cursor": null, "outcome": null, "out_ref": null}');
  end if;
  select j.seq, j.node_id into strict v_seq, v_event.node_id
  from ledger_private.history j
  where j.tenant_id = p_tenant_id and j.pool_id = v_pool.pool_id and j.seq > v_head.delivered_seq
    and j.kind in ('settled', 'cancelled', 'expired')
  order by j.seq
  limit 1;
  update ledger_private.nodes n set cursor = v_head.next_cursor
  where n.tenant_id = p_tenant_id and n.node_id = v_event.node_id
  returning * into strict v_node;
  update ledger_private.pool_heads h
  set delivered_seq = v_seq, next_cursor = h.next_cursor + 1, undelivered = h.undelivered - 1
  where h.tenant_id = p_tenant_id and h.pool_id = v_pool.pool_id;

  v_event := ledger_private.event(v_pool, 'delivered', p_operation, p_at);
  v_event.node_id := v_node.node_id;
  v_event.outcome := v_node.status;
  v_event.out_ref := v_node.out_ref;
  v_event.detail := jsonb_build_object('cursor', v_node.cursor);
  return ledger_private.ok(v_pool.pool_id, ledger_private.post(v_event), jsonb_build_object(
    'node_id', v_node.node_id, 'cursor', v_node.cursor, 'outcome', v_node.status, 'out_ref', v_node.out_ref
  ));
end;
$$;
--! EndIncluded operations/deliver.sql
--! Included operations/correct.sql
-- correct: the true spend of an event, named by the operation that booked it (always the first one), and where that is older than the replay
-- window by its pool too. The difference is booked, what was uncertain is released, and it goes up through closed pools. lines: the whole truth
-- per line, of which the difference is kept; tool_calls: tools seen only now. Unknown dollars are priced as of the event that is corrected, by its
-- provider and model.
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
  v_event := ledger_private.event_booked_by(p_tenant_id, p_operation ->> 'of', p_operation ->> 'pool_id');
  if v_event.seq is null then
    return ledger_private.failed('LG001', 'of', 'must be an operation that booked a spend of its own, of one node; not a correction'
      || case when p_operation ? 'pool_id' then ', and in the pool named' else '. Of one that is no longer kept name its pool_id too' end);
  end if;
  v_event := ledger_private.as_called(v_event);
  v_pool := ledger_private.find_pool(p_tenant_id, v_event.pool_id);
  if v_event.kind <> 'metered' then
    v_budget := (ledger_private.find_node(p_tenant_id, v_event.node_id)).budget;
  end if;
  v_operation := jsonb_strip_nulls(jsonb_build_object('provider', v_event.provider, 'model', v_event.model)) || p_operation;
  v_operation := ledger_private.priced(v_operation, ledger_private.rate_card(p_tenant_id, array[v_operation]), v_event.effective_at);
  v_correction := ledger_private.event(v_pool, 'corrected', v_operation, p_at);
  v_seq := ledger_private.correct_event(
    v_pool, v_event, ledger_private.usage_of(v_operation -> 'spend', v_pool.token_charge, v_budget), v_correction
  );
  perform ledger_private.correct_lines(v_pool, v_event, v_seq, v_operation);
  return ledger_private.ok(v_pool.pool_id, v_seq);
end;
$$;
--! EndIncluded operations/correct.sql
--! Included functions/create_tenant.sql
-- Makes a tenant; making it again is ok and changes nothing. Settings: replay_days, how long its operations are kept (ledger.prune), default 30;
-- others are the caller's own.
-- Raises: LG001 (id or settings malformed).
create or replace function ledger.create_tenant(
  p_tenant_id text,
  p_settings jsonb default '{}'
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_tenant_id is null or p_tenant_id = '*' or not ledger_private.fits('id', to_jsonb(p_tenant_id)) then
    perform ledger_private.raise_error('LG001', jsonb_build_object('path', 'p_tenant_id', 'rule', ledger_private.rule_text('id') || ', not *'));
  elsif jsonb_typeof(p_settings) is distinct from 'object' then
    perform ledger_private.raise_error('LG001', '{"path": "p_settings", "rule": "must be an object"}');
  elsif p_settings ? 'replay_days'
    and not (jsonb_typeof(p_settings -> 'replay_days') = 'number' and p_settings ->> 'replay_days' ~ '^[1-9][0-9]{0,4}$') then
    perform ledger_private.raise_error('LG001', '{"path": "p_settings.replay_days", "rule": "must be a whole number from 1 to 99999"}');
  end if;
  insert into ledger_private.tenants (tenant_id, settings) values (p_tenant_id, p_settings) on conflict do nothing;
end;
$$;
comment on function ledger.create_tenant(text, jsonb) is 'Makes a tenant; idempotent.';
revoke all on function ledger.create_tenant(text, jsonb) from public;
grant execute on function ledger.create_tenant(text, jsonb) to ledger_admin;
--! EndIncluded functions/create_tenant.sql
--! Included functions/events.sql
-- What has happened since a cursor: up to p_limit places in the journal. p_after maps pool id -> last seq seen, a pool not named = 0; with p_run_id
-- or p_pool_id only pools of that run, or that pool. Callers join ledger.journal on (tenant_id, pool_id, seq), order by place (from 0), and
-- move their cursor to the last seq they took of each pool.
-- Nothing is ever left out: seq is dense and given under the pool's lock, so what is visible of a pool has no gaps, and an answer holds a prefix
-- of what is new in each pool. Pools are merged by time: the latest recorded_at so far in the pool, so that a clock set back does not reorder
-- one; then pool_id, seq.
-- Only pools whose head has moved are looked into, and of those with more to tell than p_limit only as much is read as can be among the first.
-- For READ COMMITTED: a serializable transaction that asked would have read the heads of all pools, which others write.
-- Raises: LG009, LG012, LG001 (p_after, p_limit).
create or replace function ledger.events(
  p_tenant_id text,
  p_after jsonb default '{}',
  p_limit integer default 1000,
  p_run_id text default null,
  p_pool_id text default null
)
returns table (
  pool_id text,
  seq bigint,
  place integer
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
  v_misfit jsonb;
  v_within text[];
  v_pools text[];
  v_after bigint[];
  v_heads bigint[];
  v_until timestamptz;
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  v_misfit := ledger_private.misfit_of_cursor(p_after, p_limit);
  if v_misfit is not null then
    perform ledger_private.raise_error('LG001', v_misfit);
  end if;
  if p_run_id is not null then
    v_within := ledger_private.pools_of_run(p_tenant_id, p_run_id);
  end if;
  if p_pool_id is not null then
    v_within := case when v_within is null or p_pool_id = any (v_within) then array[p_pool_id] else '{}' end;
  end if;
  select array_agg(m.pool_id), array_agg(m.after), array_agg(m.head) into v_pools, v_after, v_heads
  from ledger_private.pools_moved(p_tenant_id, p_after, v_within) m;
  if v_pools is null then
    return;
  end if;

  v_until := ledger_private.latest_of_first(p_tenant_id, v_pools, v_after, v_heads, p_limit);
  return query
    select r.pool_id, r.seq, (row_number() over (order by r.at, r.pool_id collate "C", r.seq))::integer - 1
    from (
      select p.pool_id, j.seq, max(j.recorded_at) over (partition by p.pool_id order by j.seq) as at
      from unnest(v_pools, v_after, v_heads) p (pool_id, after, head)
      cross join lateral (
        select least(p.head, p.after + p_limit, (
          select k.seq - 1 from ledger_private.history k
          where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id and k.seq > p.after and k.seq <= p.after + p_limit
            and k.recorded_at > v_until
          order by k.seq limit 1
        )) as last
      ) e
      cross join lateral (
        select k.seq, k.recorded_at from ledger_private.history k
        where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id and k.seq > p.after and k.seq <= e.last
        offset 0
      ) j
    ) r
    order by 3
    limit p_limit;
end;
$$;
comment on function ledger.events(text, jsonb, integer, text, text) is
  'What has happened since a cursor: places in the journal, gap-free per pool, pools merged by time.';
revoke all on function ledger.events(text, jsonb, integer, text, text) from public;
grant execute on function ledger.events(text, jsonb, integer, text, text) to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded functions/events.sql
--! Included functions/prune_some.sql
-- Deletes what is older than the replay window from one stretch of the kept operations: p_blocks blocks of the table from p_from. One step of
-- ledger.prune. p_tenant_id null = every tenant; p_older_than null = each tenant's own window (setting replay_days, else 30 days).
-- pruned: rows that went; next_block: where to go on, null at the end.
-- The table is walked in the order in which it lies, not by an index: an index on the time of an operation would cost every writer, and one of
-- block ranges (brin) says nothing any more once new rows fill the room of old ones.
-- For READ COMMITTED: a serializable transaction would have read what writers write. It waits for no writer, whose rows are younger than a day.
-- Locks: one of its own, so that two prunes take turns; no pool's.
-- Raises: LG009, LG012, LG001 (p_older_than, p_from, p_blocks); 55000 in another isolation.
create or replace function ledger.prune_some(
  p_tenant_id text,
  p_older_than interval default null,
  p_from bigint default 0,
  p_blocks bigint default 256
)
returns table (
  pruned bigint,
  next_block bigint
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
declare
  v_now constant timestamptz := clock_timestamp();
  v_end constant bigint := pg_relation_size('ledger_private.operations') / current_setting('block_size')::bigint;
  v_to constant bigint := least(p_from + p_blocks, v_end);
  v_path constant text := case
    when p_older_than < interval '1 day' then 'p_older_than'
    when p_from is null or p_from < 0 then 'p_from'
    when p_blocks is null or p_blocks < 1 then 'p_blocks'
  end;
begin
  if p_tenant_id is not null then
    perform ledger_private.assert_tenant(p_tenant_id);
  end if;
  if v_path is not null then
    perform ledger_private.raise_error('LG001', jsonb_build_object('path', v_path, 'rule', case v_path
      when 'p_older_than' then 'must be a day at least: a call whose answer was lost asks for it again'
      when 'p_from' then 'must be a whole number from 0'
      else 'must be a whole number from 1'
    end));
  end if;
  perform ledger_private.assert_read_committed('CALL ledger.prune(...)');
  perform pg_advisory_xact_lock(hashtextextended('agent-ledger/prune', 0));
  delete from ledger_private.operations o
  using ledger_private.tenants t
  where o.ctid >= format('(%s,0)', p_from)::tid and o.ctid < format('(%s,0)', v_to)::tid
    and t.tenant_id = o.tenant_id and t.tenant_id = coalesce(p_tenant_id, t.tenant_id)
    and o.at < v_now - coalesce(p_older_than, ledger_private.replay_window(t.settings));
  get diagnostics pruned = row_count;
  next_block := case when v_to < v_end then v_to end;
  return next;
end;
$$;
comment on function ledger.prune_some(text, interval, bigint, bigint) is
  'Deletes operations older than the replay window from one stretch of the table; one step of ledger.prune.';
revoke all on function ledger.prune_some(text, interval, bigint, bigint) from public;
grant execute on function ledger.prune_some(text, interval, bigint, bigint) to ledger_admin;
--! EndIncluded functions/prune_some.sql
--! Included functions/prune.sql
-- Deletes operations that are older than the replay window: how long a repeated call gets its first answer again, a refusal can be read, and a
-- correction needs no more than the operation's id. An id older than that is new again. No balance moves and no journal row goes. One tenant, or
-- null = all; p_older_than null = each tenant's own window (setting replay_days, else 30 days).
-- It goes a stretch of the table at a time and commits after each, so that it stops no writer and holds nothing for long. It can be broken off
-- anywhere: what is gone is gone, and called again it goes on with what is left. p_from, p_blocks: only so many blocks of the table from there, for
-- who wants to see it get on. p_result = {pruned, next_block}, next_block null at the end.
-- No security definer and no SET clause: a procedure that has one cannot COMMIT. It cannot run inside a transaction block.
-- Raises: as ledger.prune_some.
create or replace procedure ledger.prune(
  p_tenant_id text,
  p_older_than interval default null,
  p_from bigint default 0,
  p_blocks bigint default null,
  inout p_result jsonb default null
)
language plpgsql
as $$
declare
  v_step constant bigint := 256;
  v_block bigint := p_from;
  v_pruned bigint := 0;
  v_some record;
begin
  loop
    commit; -- inside a transaction block this fails, before anything is deleted
    set transaction isolation level read committed;
    select s.pruned, s.next_block into v_some from ledger.prune_some(p_tenant_id, p_older_than, v_block, v_step) s;
    v_pruned := v_pruned + v_some.pruned;
    v_block := v_some.next_block;
    exit when v_block is null or v_block >= p_from + p_blocks;
  end loop;
  p_result := pg_catalog.jsonb_build_object('pruned', v_pruned, 'next_block', v_block);
end;
$$;
comment on procedure ledger.prune(text, interval, bigint, bigint, jsonb) is
  'Deletes operations older than the replay window, in short transactions; null = all tenants.';
revoke all on procedure ledger.prune(text, interval, bigint, bigint, jsonb) from public;
grant execute on procedure ledger.prune(text, interval, bigint, bigint, jsonb) to ledger_admin;
--! EndIncluded functions/prune.sql
--! Included private/misfit_of_archiving.sql
-- What keeps a run from being archived as an export holds it: {path, rule} of the LG001, or null. p_heads: the last seq of each pool in the export.
create or replace function ledger_private.misfit_of_archiving(
  p_tenant_id text,
  p_pool_ids text[],
  p_heads jsonb,
  p_export_digest text
)
returns jsonb
language plpgsql
stable
as $$
declare
  v_pool record;
begin
  if not coalesce(ledger_private.fits('digest', to_jsonb(p_export_digest)), false) then
    return jsonb_build_object('path', 'p_export_digest', 'rule', ledger_private.rule_text('digest'));
  elsif jsonb_typeof(p_heads) is distinct from 'object' then
    return '{"path": "p_heads", "rule": "must be an object: the last seq of each pool in the export"}';
  end if;
  for v_pool in
    select i.pool_id, k.state, k.seq
    from unnest(p_pool_ids) i (pool_id)
    cross join lateral (
      select p.state, h.seq from ledger_private.pools p
      join ledger_private.pool_heads h on h.tenant_id = p.tenant_id and h.pool_id = p.pool_id
      where p.tenant_id = p_tenant_id and p.pool_id = i.pool_id
      offset 0
    ) k
  loop
    if v_pool.state <> 'closed' then
      return jsonb_build_object(
        'path', 'p_run_id', 'rule', format('must be closed with everything below it: pool %s is %s', v_pool.pool_id, v_pool.state)
      );
    elsif not ledger_private.fits('count', p_heads -> v_pool.pool_id) is true or (p_heads ->> v_pool.pool_id)::numeric > v_pool.seq then
      return jsonb_build_object(
        'path', 'p_heads', 'rule', format('must hold every pool of the run as it was exported: pool %s has %s rows', v_pool.pool_id, v_pool.seq)
      );
    end if;
  end loop;
  return null;
end;
$$;
--! EndIncluded private/misfit_of_archiving.sql
--! Included private/move_events.sql
-- Moves a stretch of a pool's journal, with its usage lines, to the archive and records what it adds up to, in one transaction: what the triggers of
-- the journal let go is what is in the archive and recorded by this very transaction. Plans stay: their row is referred to.
create or replace function ledger_private.move_events(
  p_pool ledger_private.pools,
  p_first bigint,
  p_last bigint,
  p_run_id text,
  p_export_digest text
)
returns void
language plpgsql
as $$
declare
  v_tenant constant text := p_pool.tenant_id;
  v_pool constant text := p_pool.pool_id;
  v_sums jsonb;
  v_events bigint;
  v_lines bigint;
begin
  select jsonb_object_agg(c.channel, c.sums) into v_sums
  from (
    select m.channel, jsonb_build_object(
      'funded', trim_scale(coalesce(sum(m.funded), 0)), 'held', trim_scale(coalesce(sum(m.held), 0)),
      'spent', trim_scale(coalesce(sum(m.spent), 0)), 'uncertain', trim_scale(coalesce(sum(m.uncertain), 0)),
      'unknown', coalesce(sum(m.unknown), 0), 'seals', coalesce(sum(m.seals), 0), 'remainder', trim_scale(coalesce(sum(m.remainder), 0))
    ) as sums
    from ledger_private.moves m
    where m.tenant_id = v_tenant and m.pool_id = v_pool and m.seq between p_first and p_last
    group by m.channel
  ) c;
  insert into ledger_private.journal_archive
  select j.* from ledger_private.journal j
  where j.tenant_id = v_tenant and j.pool_id = v_pool and j.seq between p_first and p_last and j.kind <> 'planned';
  get diagnostics v_events = row_count;
  insert into ledger_private.usage_lines_archive
  select l.* from ledger_private.usage_lines l
  where l.tenant_id = v_tenant and l.pool_id = v_pool and l.seq between p_first and p_last;
  get diagnostics v_lines = row_count;
  insert into ledger_private.archives (tenant_id, pool_id, first_seq, last_seq, run_id, events, lines, sums, export_digest, archived_at, archived_by)
  values (v_tenant, v_pool, p_first, p_last, p_run_id, v_events, v_lines, v_sums, p_export_digest, clock_timestamp(), session_user);
  delete from ledger_private.usage_lines l
  where l.tenant_id = v_tenant and l.pool_id = v_pool and l.seq between p_first and p_last;
  delete from ledger_private.journal j
  where j.tenant_id = v_tenant and j.pool_id = v_pool and j.seq between p_first and p_last and j.kind <> 'planned';
end;
$$;
--! EndIncluded private/move_events.sql
--! Included functions/archive_some.sql
-- Moves some events of a closed run to the archive, 10000 at most: one step of ledger.archive_run, which says what the parameters are. Pools are
-- taken in the order of their locks, from the one behind p_after. moved: rows that went; next_after: where to go on, as long as there is more.
-- For READ COMMITTED: a serializable transaction would have read what late spend writes.
-- Locks: the pools it moves from, ascending, until the transaction ends; those above are not concerned.
-- Raises: LG009, LG012, LG003 (no such run), LG001; 55000 in another isolation.
create or replace function ledger.archive_some(
  p_tenant_id text,
  p_run_id text,
  p_heads jsonb,
  p_export_digest text,
  p_after bigint default null
)
returns table (
  moved bigint,
  next_after bigint,
  more boolean
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  v_most constant bigint := 10000;
  v_pools text[];
  v_misfit jsonb;
  v_pool record;
  v_first bigint;
  v_last bigint;
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  perform ledger_private.assert_read_committed('CALL ledger.archive_run(...)');
  v_pools := ledger_private.pools_of_run(p_tenant_id, p_run_id);
  if cardinality(v_pools) = 0 then
    perform ledger_private.raise_error('LG003', jsonb_build_object('path', 'p_run_id', 'rule', 'is no run'));
  end if;
  v_misfit := ledger_private.misfit_of_archiving(p_tenant_id, v_pools, p_heads, p_export_digest);
  if v_misfit is not null then
    perform ledger_private.raise_error('LG001', v_misfit);
  end if;
  moved := 0;
  more := true;
  next_after := p_after;
  for v_pool in
    select i.pool_id, ledger_private.lock_key(p_tenant_id, i.pool_id) as lock_key
    from unnest(v_pools) i (pool_id)
    where p_after is null or ledger_private.lock_key(p_tenant_id, i.pool_id) > p_after
    order by 2
  loop
    perform pg_advisory_xact_lock(v_pool.lock_key);
    v_first := 1 + (
      select coalesce(max(a.last_seq), 0) from ledger_private.archives a where a.tenant_id = p_tenant_id and a.pool_id = v_pool.pool_id
    );
    v_last := least((p_heads ->> v_pool.pool_id)::bigint, v_first + v_most - moved - 1);
    if v_last >= v_first then
      perform ledger_private.move_events(ledger_private.find_pool(p_tenant_id, v_pool.pool_id), v_first, v_last, p_run_id, p_export_digest);
      moved := moved + v_last - v_first + 1;
    end if;
    if moved >= v_most then
      return next;
      return;
    end if;
    next_after := v_pool.lock_key;
  end loop;
  more := false;
  return next;
end;
$$;
comment on function ledger.archive_some(text, text, jsonb, text, bigint) is
  'Moves some events of a closed run to the archive; one step of ledger.archive_run.';
revoke all on function ledger.archive_some(text, text, jsonb, text, bigint) from public;
grant execute on function ledger.archive_some(text, text, jsonb, text, bigint) to ledger_admin;
--! EndIncluded functions/archive_some.sql
--! Included functions/archive_run.sql
-- Moves the journal of a closed run out of the way of writers, to the archive: events and usage lines of its pools and all below them. Every view
-- and function answers as before, and the audit proves balances from both; late spend and corrections go on in the journal, at the next seq.
-- What goes is what an export holds: p_heads = {pool id: last seq of it in the export}, every pool of the run; p_export_digest = sha256:<hex> of
-- that export (the sha256 of its footer). ledger.archives records both. What was booked since stays, until it is exported and archived in its turn.
-- It goes at most 10000 events at a time and commits after each; rows are in the journal or in the archive, so it can be broken off anywhere, and
-- called again it goes on. p_result = {moved}.
-- No security definer and no SET clause: a procedure that has one cannot COMMIT. It cannot run inside a transaction block.
-- Raises: as ledger.archive_some.
create or replace procedure ledger.archive_run(
  p_tenant_id text,
  p_run_id text,
  p_heads jsonb,
  p_export_digest text,
  inout p_result jsonb default null
)
language plpgsql
as $$
declare
  v_moved bigint := 0;
  v_after bigint;
  v_more boolean := true;
  v_some record;
begin
  while v_more loop
    commit; -- inside a transaction block this fails, before anything is moved
    set transaction isolation level read committed;
    select s.moved, s.next_after, s.more into v_some from ledger.archive_some(p_tenant_id, p_run_id, p_heads, p_export_digest, v_after) s;
    v_moved := v_moved + v_some.moved;
    v_after := v_some.next_after;
    v_more := v_some.more;
  end loop;
  p_result := pg_catalog.jsonb_build_object('moved', v_moved);
end;
$$;
comment on procedure ledger.archive_run(text, text, jsonb, text, jsonb) is
  'Moves the journal of a closed run to the archive, as an export holds it, in short transactions.';
revoke all on procedure ledger.archive_run(text, text, jsonb, text, jsonb) from public;
grant execute on procedure ledger.archive_run(text, text, jsonb, text, jsonb) to ledger_admin;
--! EndIncluded functions/archive_run.sql
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
    'prices', 'retries', 'journal_archive', 'usage_lines_archive', 'archives'
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
from ledger_private.history j;
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
--! Included views/archives.sql
-- What has left the journal of closed runs for the archive: of each pool a stretch of seq at a time, with what it adds up to and the digest of the
-- export that holds it. Everything answers from the archive as from the journal; this is where it is and what proves it.
create or replace view ledger.archives
with (security_invoker = true)
as
select
  a.tenant_id, a.pool_id, a.first_seq, a.last_seq, a.run_id, a.events, a.lines, a.sums, a.export_digest, a.archived_at, a.archived_by
from ledger_private.archives a;
comment on view ledger.archives is 'What has left the journal for the archive: stretches of seq, sums per channel, the digest of the export.';
revoke all on ledger.archives from public;
grant select on ledger.archives to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/archives.sql
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
from ledger_private.history j
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
from ledger_private.usage_history l
cross join lateral (
  select k.run_id, k.node_id, k.kind, k.operation_id, k.purpose, k.tags, k.effective_at, k.recorded_at
  from ledger_private.history k
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
from ledger_private.history j
cross join lateral (
  select
    count(*) as lines, coalesce(sum(l.iterations), 0) as iterations, coalesce(sum(l.input_tokens), 0) as input_tokens,
    coalesce(sum(l.output_tokens), 0) as output_tokens, coalesce(sum(l.cache_read_tokens), 0) as cache_read_tokens,
    coalesce(sum(l.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(l.reasoning_tokens), 0) as reasoning_tokens,
    coalesce(sum(l.charged_tokens), 0) as charged_tokens, coalesce(sum(l.usd), 0) as usd, coalesce(sum(l.ms), 0) as ms,
    coalesce(sum(l.uncertain_usd), 0) as uncertain_usd, coalesce(sum(l.cache_write_1h_tokens), 0) as cache_write_1h_tokens
  from ledger_private.usage_history l
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
      from ledger_private.usage_history k
      cross join lateral jsonb_each(k.resources) e
      where k.tenant_id = j.tenant_id and k.pool_id = j.pool_id and k.seq = j.seq
    ) a
    group by a.name
  ) d
  where d.amount <> 0
) r
left join lateral (
  select k.provider, k.model, k.provider_request_id, k.purpose from ledger_private.history k
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
  from ledger_private.history k
  where k.tenant_id = u.tenant_id and k.pool_id = u.pool_id and k.seq = u.seq
  offset 0
) j
left join lateral (
  select l.line
  from ledger_private.usage_history l
  where l.tenant_id = u.tenant_id and l.pool_id = u.pool_id and l.seq = u.seq and l.line = 0 and u.line is null
  offset 0
) f on true
cross join lateral (
  select
    (array_agg(k.tokens_known order by k.seq desc))[1] as tokens_known, (array_agg(k.usd_known order by k.seq desc))[1] as usd_known,
    sum(k.usd_seals) as usd_seals
  from ledger_private.history k
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
        from ledger_private.history j
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
      select j.* from ledger_private.history j
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
--! Included views/calls_in_doubt.sql
-- Calls of the drivers of a run that were announced and not metered: the provider may have billed them, and nobody said what. One row per
-- meter_id, of its first announcement. Each pool's journal is read once and grouped; the rows are then found by key.
create or replace view ledger.calls_in_doubt
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, p.pool_id, c.seq, c.meter_id, j.turn, j.purpose, j.provider, j.model, j.detail -> 'detail' as detail,
  j.recorded_at as dispatched_at
from ledger_private.runs r
cross join lateral (
  with recursive tree as (
    select r.run_id as pool_id
    union all
    select c.pool_id
    from tree t
    cross join lateral (
      select k.pool_id from ledger_private.pools k where k.tenant_id = r.tenant_id and k.parent_pool_id = t.pool_id
      offset 0
    ) c
  )
  select t.pool_id from tree t
) p
cross join lateral (
  select m.meter_id, min(m.seq) as seq
  from (
    select
      case k.kind when 'metered' then k.operation_id else k.detail ->> 'meter_id' end as meter_id, k.seq, k.kind = 'metered' as metered
    from ledger_private.history k
    where k.tenant_id = r.tenant_id and k.pool_id = p.pool_id and k.node_id = p.pool_id and k.kind in ('metered', 'dispatched')
    offset 0
  ) m
  group by m.meter_id
  having not bool_or(m.metered)
) c
cross join lateral (
  select k.turn, k.purpose, k.provider, k.model, k.detail, k.recorded_at
  from ledger_private.history k
  where k.tenant_id = r.tenant_id and k.pool_id = p.pool_id and k.seq = c.seq
  offset 0
) j;
comment on view ledger.calls_in_doubt is 'Calls of drivers that were announced and not metered.';
comment on column ledger.calls_in_doubt.turn is 'null: not stated';
comment on column ledger.calls_in_doubt.purpose is 'null: not stated';
comment on column ledger.calls_in_doubt.provider is 'null: not stated';
comment on column ledger.calls_in_doubt.model is 'null: not stated';
comment on column ledger.calls_in_doubt.detail is 'null: none';
revoke all on ledger.calls_in_doubt from public;
grant select on ledger.calls_in_doubt to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/calls_in_doubt.sql
--! Included views/spend_gaps.sql
-- Nodes of a run of which the ledger does not know all, one row per node and gap. never-settled: a child that is open and holds something, was
-- dispatched or drives; its channels are those it holds (tokens and usd where it holds nothing). unreported: by tokens, usd or both, a node with
-- an event of unknown usage that nobody corrected, or a call in doubt (both). An estimate of dollars is no gap. A ceiling charged for silence is;
-- the journal has no word for it, so a leaf is taken to be charged so where its uncertain dollars are exactly its ceiling. What a seal took is
-- nobody's gap. Each pool's journal is read once and grouped by what it is asked; other rows are found by key.
create or replace view ledger.spend_gaps
with (security_invoker = true)
as
select r.tenant_id, r.run_id, x.node_id, x.gap, x.channels
from ledger_private.runs r
cross join lateral (
  with recursive tree as (
    select r.run_id as pool_id
    union all
    select c.pool_id
    from tree t
    cross join lateral (
      select k.pool_id from ledger_private.pools k where k.tenant_id = r.tenant_id and k.parent_pool_id = t.pool_id
      offset 0
    ) c
  ),
  calls as (
    select
      t.pool_id, j.node_id, j.kind = 'metered' as metered, j.kind = 'dispatched' as announced,
      case j.kind when 'metered' then j.operation_id when 'dispatched' then j.detail ->> 'meter_id' end as meter_id,
      j.tokens_unknown, j.usd_unknown, j.usd_seals, j.uncertain_usd
    from tree t
    cross join lateral (
      select
        k.node_id, k.kind, k.operation_id, k.detail, k.tokens_unknown, k.usd_unknown, k.usd_seals, k.uncertain_usd
      from ledger_private.history k
      where k.tenant_id = r.tenant_id and k.pool_id = t.pool_id and k.source_pool_id is null
        and (
          k.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
          or (k.kind = 'dispatched' and k.node_id = k.pool_id)
        )
      offset 0
    ) j
  ),
  by_call as (
    -- corrections and endings have no call of their own: they are one group per node
    select
      c.pool_id, c.node_id, bool_or(c.announced) and not bool_or(c.metered) as in_doubt, sum(c.tokens_unknown) as tokens_unknown,
      sum(c.usd_unknown) as usd_unknown, sum(c.usd_seals) as usd_seals, sum(c.uncertain_usd) as uncertain_usd
    from calls c
    group by c.pool_id, c.node_id, c.meter_id
  ),
  by_node as (
    select
      c.pool_id, c.node_id, bool_or(c.in_doubt) as in_doubt, coalesce(sum(c.tokens_unknown), 0) as tokens_unknown,
      coalesce(sum(c.usd_unknown), 0) as usd_unknown, coalesce(sum(c.usd_seals), 0) as usd_seals, coalesce(sum(c.uncertain_usd), 0) as uncertain_usd
    from by_call c
    group by c.pool_id, c.node_id
  )
  select
    n.node_id, 'never-settled' as gap,
    case
      when n.hold = '{}' then array['tokens', 'usd']
      else array(
        select k.channel from jsonb_object_keys(n.hold) k (channel)
        order by case k.channel when 'tokens' then 0 when 'iterations' then 1 when 'usd' then 2 else 3 end, k.channel collate "C"
      )
    end as channels
  from tree t
  cross join lateral (
    select h.open_holds from ledger_private.pool_heads h where h.tenant_id = r.tenant_id and h.pool_id = t.pool_id offset 0
  ) h
  cross join lateral (
    select k.node_id, k.hold from ledger_private.nodes k
    where k.tenant_id = r.tenant_id and k.parent_node_id = t.pool_id and k.ended_at is null and h.open_holds > 0
      and (k.hold <> '{}' or k.driver or k.dispatched_at is not null)
    offset 0
  ) n
  union all
  select g.node_id, 'unreported', array_remove(array[case when g.tokens then 'tokens' end, case when g.usd then 'usd' end], null)
  from (
    select
      b.node_id, b.in_doubt or b.tokens_unknown <> 0 as tokens,
      b.in_doubt or b.usd_seals <> 0 or (b.usd_unknown <> 0 and coalesce(b.uncertain_usd = k.ceiling, false)) as usd
    from by_node b
    left join lateral (
      select (n.budget ->> 'usd')::numeric as ceiling from ledger_private.nodes n
      where n.tenant_id = r.tenant_id and n.node_id = b.node_id and b.usd_unknown <> 0 and b.node_id <> b.pool_id
      offset 0
    ) k on true
  ) g
  where g.tokens or g.usd
) x;
comment on view ledger.spend_gaps is 'Nodes of runs whose end or usage nobody has reported.';
revoke all on ledger.spend_gaps from public;
grant select on ledger.spend_gaps to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/spend_gaps.sql
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
      select k.corrects_seq from ledger_private.history k
      where k.tenant_id = u.tenant_id and k.pool_id = u.pool_id and k.seq = u.seq
      offset 0
    ) j
    left join lateral (
      select k.seq, k.tokens_known, k.usd_known from ledger_private.history k
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
  from ledger_private.history j
  left join lateral (
    select k.purpose, k.effective_at from ledger_private.history k
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
--! Included views/run_costs.sql
-- What each run of an experiment cost, one row per run, and what stands in the way of comparing it: open holds, unknown and uncertain usage.
-- left_out: an infra run takes its (task, replicate) out of every arm, null being a value. open_holds: nodes of the run that have not ended,
-- below its root; the root too where the run stands under a parent pool; and calls of its drivers that were announced and not metered
-- (ledger.calls_in_doubt, asked only where any was announced). Once the run has ended such a call is lost: it counts as unknown usage, no
-- longer as open. Pools of the run are walked, not its leaves.
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
  trim_scale(s.uncertain_usd) as uncertain_usd, s.tokens_unknown + d.lost = 0 as tokens_known,
  s.usd_unknown + d.lost = 0 as usd_known,
  trim_scale(s.usd - s.uncertain_usd) as receipt_usd, trim_scale(s.uncertain_usd) as estimated_usd, s.usd_seals + d.lost as unknown_usd_events,
  s.tokens_unknown + d.lost as unknown_tokens_events,
  s.open_holds + case when p.parent_pool_id is not null and r.outcome is null then 1 else 0 end + d.under_way as open_holds,
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
    count(*) filter (where j.kind = 'dispatched') as announced,
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
      j.usd_known, j.resources, j.kind
    from ledger_private.history j
    where j.tenant_id = r.tenant_id and j.pool_id = t.pool_id and j.source_pool_id is null
      and (j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected') or (j.kind = 'dispatched' and j.node_id = j.pool_id))
    offset 0
  ) j
) s
cross join lateral (
  select
    case when r.outcome is null then c.calls else 0 end as under_way,
    case when r.outcome is null then 0 else c.calls end as lost
  from (
    select
      case
        when s.announced > 0 then (select count(*) from ledger.calls_in_doubt k where k.tenant_id = r.tenant_id and k.run_id = r.run_id)
        else 0
      end as calls
    offset 0
  ) c
) d;
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
--! Included private/gate_nodes.sql
-- The nodes of runs that keep a gate from a verdict: not ended, with a call of their own under way, or with usage that is unknown or uncertain,
-- by channel; a call that was never metered is unknown once its run has ended.
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
    select d.pool_id, o.outcome is null, o.outcome is not null, o.outcome is not null
    from ledger_private.runs o
    join ledger.calls_in_doubt d on d.tenant_id = o.tenant_id and d.run_id = o.run_id
    where o.tenant_id = p_tenant_id and o.run_id = r.run_id
    union all
    select
      j.node_id, false, coalesce(sum(j.tokens_unknown), 0) <> 0 or coalesce(sum(j.uncertain_tokens), 0) <> 0,
      coalesce(sum(j.usd_unknown), 0) <> 0 or coalesce(sum(j.uncertain_usd), 0) <> 0
    from tree t
    cross join lateral (
      select j.* from ledger_private.history j
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
      from ledger_private.history j
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
-- for the instant: while an unknown event is uncorrected, everything neither held nor known to be spent. A pool's journal is not worth workers, whose
-- start takes longer.
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
set max_parallel_workers_per_gather = 0
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
      select from ledger_private.history o
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
--! Included views/usage_by_tool.sql
-- What was spent in turns in which a tool was called. A turn is any event with `tool_calls`, metered or the end of a leaf, net of its corrections;
-- tools are those of it and of its corrections (seen only later), by name. calls: how often; a call with an id counts once in its pool, in the turn
-- that stated it first (as in ledger.tool_calls). events: turns. A turn that called several tools counts whole in each of them: the usage of a row
-- is true, the sum over tools is not what was spent. usd is null only where nothing of it is known; an event that was corrected is as known as its
-- last correction.
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
    select n.seq, n.tool, count(*) as calls
    from (
      select
        coalesce(j.corrects_seq, j.seq) as seq, coalesce(c.call ->> 'name', c.call #>> '{}') as tool, c.call ->> 'id' as call_id,
        row_number() over (partition by c.call ->> 'id' order by j.seq, c.n) as sighting
      from ledger_private.history j
      cross join lateral jsonb_array_elements(case jsonb_typeof(j.tool_calls) when 'array' then j.tool_calls end) with ordinality c (call, n)
      where j.tenant_id = p.tenant_id and j.pool_id = p.pool_id and j.source_pool_id is null and j.tool_calls is not null
    ) n
    where n.call_id is null or n.sighting = 1
    group by n.seq, n.tool
  ) c
  cross join lateral (
    select
      coalesce(e.charged_tokens, 0) + coalesce(k.charged_tokens, 0) as charged_tokens,
      case when e.usd is not null or k.usd is not null then coalesce(e.usd, 0) + coalesce(k.usd, 0) end as usd,
      coalesce(k.tokens_known, e.tokens_known, true) as tokens_known, coalesce(k.usd_known, e.usd_known, true) as usd_known, e.effective_at
    from ledger_private.history e
    cross join lateral (
      select
        sum(x.charged_tokens) as charged_tokens, sum(x.usd) as usd,
        (array_agg(x.tokens_known order by x.seq desc))[1] as tokens_known, (array_agg(x.usd_known order by x.seq desc))[1] as usd_known
      from ledger_private.history x
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
--! Included views/tool_calls.sql
-- The tools that models called: each element of the `tool_calls` of an event of the pool's own, where seq is that of the event (a leaf's end, a
-- metered turn, a correction) and position is from 0. A call with an id is one row in its pool, of its first sighting; those without are all kept.
-- status is the first that is stated of an id in its pool, by its sightings or in the tool_results of an event, in order of seq, an event's calls
-- before its results: so also what is booked before the call itself counts.
-- Filters on tenant, run and pool pick the pools, each of which is read once. What callers write as detail is never trusted to have a form.
create or replace view ledger.tool_calls
with (security_invoker = true)
as
select
  p.tenant_id, p.run_id, p.pool_id, c.node_id, c.seq, c.position, c.tool, c.call_id, c.arguments, c.status, c.purpose, c.model, c.effective_at
from ledger_private.pools p
cross join lateral (
  select
    t.node_id, t.seq, t.position, t.tool, t.call_id, t.arguments, t.purpose, t.model, t.effective_at, t.is_result,
    case
      when t.call_id is null then t.stated
      else first_value(t.stated) over (partition by t.call_id order by t.stated is null, t.seq, t.is_result, t.position)
    end as status,
    row_number() over (partition by t.call_id, t.is_result order by t.seq, t.position) as sighting
  from (
    select j.node_id, j.seq, e.position, e.tool, e.call_id, e.arguments, e.stated, e.is_result, j.purpose, j.model, j.effective_at
    from ledger_private.history j
    cross join lateral (
      select
        (c.n - 1)::integer as position, coalesce(c.call ->> 'name', c.call #>> '{}') as tool, c.call ->> 'id' as call_id,
        c.call ->> 'arguments' as arguments, c.call ->> 'status' as stated, false as is_result
      from jsonb_array_elements(case jsonb_typeof(j.tool_calls) when 'array' then j.tool_calls end) with ordinality c (call, n)
      union all
      select (r.n - 1)::integer, null, r.result ->> 'id', null, r.result ->> 'status', true
      from jsonb_array_elements(
        case jsonb_typeof(j.detail -> 'tool_results') when 'array' then j.detail -> 'tool_results' end
      ) with ordinality r (result, n)
      where jsonb_typeof(r.result -> 'id') = 'string' and r.result -> 'status' in ('"ok"', '"error"')
    ) e
    where j.tenant_id = p.tenant_id and j.pool_id = p.pool_id and j.source_pool_id is null
      and (j.tool_calls is not null or j.detail is not null)
  ) t
  offset 0
) c
where not c.is_result and (c.call_id is null or c.sighting = 1);
comment on view ledger.tool_calls is 'Tools that models called, one row per call: digest of its arguments, and what became of it.';
comment on column ledger.tool_calls.run_id is 'null: outside any run';
comment on column ledger.tool_calls.call_id is 'null: not stated';
comment on column ledger.tool_calls.arguments is 'null: not stated';
comment on column ledger.tool_calls.status is 'null: not known';
comment on column ledger.tool_calls.purpose is 'null: not stated';
comment on column ledger.tool_calls.model is 'null: not stated';
revoke all on ledger.tool_calls from public;
grant select on ledger.tool_calls to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/tool_calls.sql
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
  from ledger_private.history j
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
  from ledger_private.history j
  where j.tenant_id = r.tenant_id and j.pool_id = p.pool_id and j.kind in ('settled', 'cancelled', 'expired', 'delivered')
  group by j.node_id
) e
cross join lateral (
  select k.* from ledger_private.nodes k where k.tenant_id = r.tenant_id and k.node_id = e.node_id
  offset 0
) n
cross join lateral (
  select k.* from ledger_private.history k where k.tenant_id = r.tenant_id and k.pool_id = p.pool_id and k.seq = e.seq
  offset 0
) t
left join lateral (
  select k.seq, k.recorded_at from ledger_private.history k
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
--! Included views/audit/balances.sql
-- Invariants 1 to 3: every channel row is the sum of its postings.
create or replace view ledger_private.audit_balances
with (security_invoker = true)
as
select
  b.tenant_id, b.pool_id, 'balance-differs-from-journal' as rule,
  jsonb_build_object('channel', b.channel, 'balance', b.balance, 'journal', b.journal) as detail
from (
  select
    c.tenant_id, c.pool_id, c.channel,
    jsonb_build_object(
      'total', trim_scale(coalesce(c.total, 0)), 'reserved', trim_scale(c.reserved), 'committed', trim_scale(c.committed),
      'uncertain', trim_scale(c.uncertain), 'unknown', c.unknown, 'seals', c.seals, 'remainder', trim_scale(c.remainder)
    ) as balance,
    jsonb_build_object(
      'total', trim_scale(coalesce(s.funded, 0)), 'reserved', trim_scale(coalesce(s.held, 0)), 'committed', trim_scale(coalesce(s.spent, 0)),
      'uncertain', trim_scale(coalesce(s.uncertain, 0)), 'unknown', coalesce(s.unknown, 0),
      'seals', case when c.total is not null and p.unknown_usd = 'seal' then coalesce(s.seals, 0) else 0 end,
      'remainder', trim_scale(coalesce(s.remainder, 0))
    ) as journal
  from ledger_private.channels c
  join ledger_private.pools p on p.tenant_id = c.tenant_id and p.pool_id = c.pool_id
  left join (
    select
      m.tenant_id, m.pool_id, m.channel, sum(m.funded) as funded, sum(m.held) as held, sum(m.spent) as spent,
      sum(m.uncertain) as uncertain, sum(m.unknown) as unknown, sum(m.seals) as seals, sum(m.remainder) as remainder
    from ledger_private.moves m
    group by m.tenant_id, m.pool_id, m.channel
  ) s on s.tenant_id = c.tenant_id and s.pool_id = c.pool_id and s.channel = c.channel
) b
where b.balance <> b.journal;
comment on view ledger_private.audit_balances is 'Invariants 1 to 3: every channel row is the sum of its postings.';
revoke all on ledger_private.audit_balances from public;
grant select on ledger_private.audit_balances to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/balances.sql
--! Included views/audit/sequence.sql
-- Invariant 5: seq is dense per pool, and the head knows the last one. Grouped, not joined: also quick without statistics.
create or replace view ledger_private.audit_sequence
with (security_invoker = true)
as
select
  x.tenant_id, x.pool_id, case when max(x.head) is null then 'journal-of-no-pool' else 'seq-not-dense' end as rule,
  case
    when max(x.head) is null then jsonb_build_object('rows', count(x.seq))
    else jsonb_build_object('seq', max(x.head), 'rows', count(x.seq), 'first', min(x.seq), 'last', max(x.seq))
  end as detail
from (
  select h.tenant_id, h.pool_id, h.seq as head, null::bigint as seq from ledger_private.pool_heads h
  union all
  select j.tenant_id, j.pool_id, null, j.seq from ledger_private.history j
) x
group by x.tenant_id, x.pool_id
having (max(x.head), max(x.head), 1) is distinct from (count(x.seq), max(x.seq), min(x.seq));
comment on view ledger_private.audit_sequence is 'Invariant 5: seq is dense per pool, and the head knows the last one.';
revoke all on ledger_private.audit_sequence from public;
grant select on ledger_private.audit_sequence to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/sequence.sql
--! Included views/audit/endings.sql
-- Invariant 4: every ended child has its one terminal row in its parent, delivered rows are counted, and rows name nodes and operations that
-- exist. Looked up by key, row by row: joined freely, a database without statistics pairs every row with every other.
create or replace view ledger_private.audit_endings
with (security_invoker = true)
as
select
  n.tenant_id, n.parent_node_id as pool_id, 'ending-without-terminal-row' as rule,
  jsonb_build_object('node_id', n.node_id, 'status', n.status, 'terminal_seq', n.terminal_seq) as detail
from ledger_private.nodes n
left join lateral (
  select k.seq, k.node_id, k.kind from ledger_private.history k
  where k.tenant_id = n.tenant_id and k.pool_id = n.parent_node_id and k.seq = n.terminal_seq limit 1
) j on j.node_id = n.node_id and j.kind in ('settled', 'cancelled', 'expired')
where n.parent_node_id is not null and (n.ended_at is not null) <> (j.seq is not null)
union all
select j.tenant_id, j.pool_id, 'journal-of-no-node', jsonb_build_object('seq', j.seq, 'node_id', j.node_id)
from ledger_private.history j
left join lateral (
  select k.node_id from ledger_private.nodes k where k.tenant_id = j.tenant_id and k.node_id = j.node_id limit 1
) n on true
where j.node_id is not null and n.node_id is null
union all
select
  h.tenant_id, h.pool_id, 'deliveries-miscounted',
  jsonb_build_object(
    'undelivered', h.undelivered, 'waiting', coalesce(t.waiting, 0), 'next_cursor', h.next_cursor, 'delivered', coalesce(t.delivered, 0)
  )
from ledger_private.pool_heads h
left join lateral (
  select
    count(*) filter (where j.kind <> 'delivered' and j.seq > h.delivered_seq) as waiting,
    count(*) filter (where j.kind = 'delivered') as delivered
  from ledger_private.history j
  where j.tenant_id = h.tenant_id and j.pool_id = h.pool_id and j.kind in ('settled', 'cancelled', 'expired', 'delivered')
) t on true
where h.undelivered <> t.waiting or h.next_cursor <> t.delivered
union all
select o.tenant_id, o.pool_id, 'operation-without-row', jsonb_build_object('operation_id', o.operation_id, 'seq', o.seq)
from ledger_private.operations o
left join lateral (
  select k.operation_id from ledger_private.history k
  where k.tenant_id = o.tenant_id and k.pool_id = o.pool_id and k.seq = o.seq limit 1
) j on true
where o.seq is not null and j.operation_id is distinct from o.operation_id;
comment on view ledger_private.audit_endings is
  'Invariant 4: every ended child has its one terminal row in its parent, deliveries are counted, rows name what exists.';
revoke all on ledger_private.audit_endings from public;
grant select on ledger_private.audit_endings to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/endings.sql
--! Included views/audit/usage.sql
-- What an event consumed is what it moved: own usage equals own postings, corrections included.
create or replace view ledger_private.audit_usage
with (security_invoker = true)
as
select
  j.tenant_id, j.pool_id, 'usage-differs-from-posting' as rule,
  jsonb_build_object('seq', j.seq, 'kind', j.kind) as detail
from ledger_private.history j
where j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
  and (
    coalesce(j.charged_tokens, 0) <> coalesce(j.tokens_spent, 0) or coalesce(j.iterations, 0) <> coalesce(j.iterations_spent, 0)
    or coalesce(j.usd, 0) <> coalesce(j.usd_spent, 0) or coalesce(j.uncertain_usd, 0) <> coalesce(j.usd_uncertain, 0)
    or coalesce(j.uncertain_tokens, 0) <> coalesce(j.tokens_uncertain, 0)
  )
union all
select j.tenant_id, j.pool_id, 'drawn-row-spends', jsonb_build_object('seq', j.seq)
from ledger_private.history j
where j.kind = 'drawn' and j.iterations is not null
union all
select l.tenant_id, l.pool_id, 'difference-of-no-correction', jsonb_build_object('seq', l.seq, 'line', l.line)
from ledger_private.usage_history l
join ledger_private.history j on j.tenant_id = l.tenant_id and j.pool_id = l.pool_id and j.seq = l.seq
where l.correction and j.kind <> 'corrected'
union all
select t.tenant_id, null, 'frozen-pools-miscounted', jsonb_build_object('counted', t.frozen_pools, 'frozen', coalesce(p.frozen, 0))
from ledger_private.tenants t
left join (
  select p.tenant_id, count(*) as frozen from ledger_private.pools p where p.state = 'frozen' group by p.tenant_id
) p on p.tenant_id = t.tenant_id
where t.frozen_pools <> coalesce(p.frozen, 0);
comment on view ledger_private.audit_usage is 'What an event consumed is what it moved: own usage equals own postings, corrections included.';
revoke all on ledger_private.audit_usage from public;
grant select on ledger_private.audit_usage to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/usage.sql
--! Included views/audit/children.sql
-- Invariant 7: an open child pool's total is its parent's hold for its node; a closed one's is what the parent committed for it.
-- Looked up pool by pool and grouped: joined freely, a database without statistics pairs every pool with every other.
create or replace view ledger_private.audit_children
with (security_invoker = true)
as
select
  x.tenant_id, x.pool_id, 'child-total-differs-from-parent' as rule,
  jsonb_build_object(
    'channel', x.channel, 'state', max(x.state), 'total', trim_scale(max(x.total)), 'hold', max(x.hold),
    'committed_by_parent', trim_scale(coalesce(sum(x.spent), 0))
  ) as detail
from (
  select
    p.tenant_id, p.parent_pool_id, p.pool_id, c.channel, p.state, c.total, c.free, u.total is not null as capped_above,
    coalesce((n.hold -> c.channel)::numeric, 0) as hold, null::numeric as spent
  from ledger_private.pools p
  cross join lateral (
    select k.* from ledger_private.channels k where k.tenant_id = p.tenant_id and k.pool_id = p.pool_id and k.total is not null
    offset 0
  ) c
  cross join lateral (
    select k.total from ledger_private.channels k
    where k.tenant_id = p.tenant_id and k.pool_id = p.parent_pool_id and k.channel = c.channel limit 1
  ) u
  cross join lateral (
    select k.hold from ledger_private.nodes k where k.tenant_id = p.tenant_id and k.node_id = p.pool_id limit 1
  ) n
  where p.parent_pool_id is not null
  union all
  select j.tenant_id, j.pool_id, j.node_id, m.channel, null, null, null, null, null, m.spent
  from ledger_private.history j
  cross join lateral (
    select 'tokens' as channel, coalesce(j.tokens_spent, 0) as spent
    union all select 'iterations', coalesce(j.iterations_spent, 0)
    union all select 'usd', coalesce(j.usd_spent, 0)
    union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
  ) m
  where j.source_pool_id = j.node_id and j.kind in ('settled', 'cancelled', 'corrected')
) x
group by x.tenant_id, x.parent_pool_id, x.pool_id, x.channel
having case max(x.state)
  when 'closed' then max(x.total) <> coalesce(sum(x.spent), 0) or max(x.free) <> 0
  else bool_or(x.capped_above) and max(x.total) <> max(x.hold)
end
union all
select c.tenant_id, c.pool_id, 'closed-pool-has-holds', jsonb_build_object('channel', c.channel, 'reserved', trim_scale(c.reserved))
from ledger_private.pools p
cross join lateral (
  select k.* from ledger_private.channels k where k.tenant_id = p.tenant_id and k.pool_id = p.pool_id and k.reserved <> 0
  offset 0
) c
where p.state = 'closed';
comment on view ledger_private.audit_children is
  'Invariant 7: the total of an open child pool is its hold in the parent, of a closed one what the parent committed for it.';
revoke all on ledger_private.audit_children from public;
grant select on ledger_private.audit_children to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/children.sql
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
    select k.* from ledger_private.history k where k.tenant_id = c.tenant_id and k.pool_id = c.pool_id
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
  from ledger_private.history j
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
--! Included views/audit/archives.sql
-- What is recorded of archived stretches is what the archive holds: as many rows, and the sums of each channel. Looked up stretch by stretch.
create or replace view ledger_private.audit_archives
with (security_invoker = true)
as
select
  a.tenant_id, a.pool_id, 'archive-differs-from-record' as rule,
  jsonb_build_object(
    'first_seq', a.first_seq, 'last_seq', a.last_seq,
    'recorded', jsonb_build_object('events', a.events, 'lines', a.lines, 'sums', a.sums),
    'archived', jsonb_build_object('events', e.events, 'lines', l.lines, 'sums', s.sums)
  ) as detail
from ledger_private.archives a
cross join lateral (
  select count(*) as events from ledger_private.journal_archive k
  where k.tenant_id = a.tenant_id and k.pool_id = a.pool_id and k.seq between a.first_seq and a.last_seq
) e
cross join lateral (
  select count(*) as lines from ledger_private.usage_lines_archive k
  where k.tenant_id = a.tenant_id and k.pool_id = a.pool_id and k.seq between a.first_seq and a.last_seq
) l
cross join lateral (
  select jsonb_object_agg(c.channel, c.sums) as sums
  from (
    select m.channel, jsonb_build_object(
      'funded', trim_scale(coalesce(sum(m.funded), 0)), 'held', trim_scale(coalesce(sum(m.held), 0)),
      'spent', trim_scale(coalesce(sum(m.spent), 0)), 'uncertain', trim_scale(coalesce(sum(m.uncertain), 0)),
      'unknown', coalesce(sum(m.unknown), 0), 'seals', coalesce(sum(m.seals), 0), 'remainder', trim_scale(coalesce(sum(m.remainder), 0))
    ) as sums
    from ledger_private.moves m
    where m.tenant_id = a.tenant_id and m.pool_id = a.pool_id and m.seq between a.first_seq and a.last_seq
    group by m.channel
  ) c
) s
where (a.events, a.lines, a.sums) is distinct from (e.events, l.lines, s.sums);
comment on view ledger_private.audit_archives is 'What is recorded of archived stretches is what the archive holds.';
revoke all on ledger_private.audit_archives from public;
grant select on ledger_private.audit_archives to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/archives.sql
--! Included views/audit.sql
-- What is wrong with the books: zero rows = healthy. Each part proves its invariants from the journal.
create or replace view ledger.audit
with (security_invoker = true)
as
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_balances a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_holds a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_sequence a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_endings a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_usage a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_children a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_draws a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_runs a
union all
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_archives a;
comment on view ledger.audit is 'What is wrong: tenant, pool, rule, detail. Zero rows = healthy.';
comment on column ledger.audit.pool_id is 'null: of the tenant as a whole';
revoke all on ledger.audit from public;
grant select on ledger.audit to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit.sql

revoke all on all functions in schema ledger_private from public;

reset role;
