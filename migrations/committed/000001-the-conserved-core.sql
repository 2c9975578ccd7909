--! Previous: -
--! Hash: sha1:4d415ac69a8cbe243d8bb467d4247a169330bcaa
--! Message: the conserved core

-- The conserved core: roles, schemas, types, tables. Stateless objects follow from sql/all.sql.

--! Included roles.sql
-- Roles belong to the cluster: made where missing, never dropped here.
do $$
declare
  v_role text;
begin
  foreach v_role in array array['ledger_owner', 'ledger_admin', 'ledger_writer', 'ledger_auditor', 'ledger_all_tenants']
  loop
    begin
      if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
        execute format('create role %I nologin', v_role);
      end if;
    exception when duplicate_object or unique_violation then
      null; -- another database of this cluster was migrated at the same moment
    end;
  end loop;
  if not exists (
    select from pg_catalog.pg_auth_members m
    where m.roleid = 'ledger_all_tenants'::regrole and m.member = 'ledger_owner'::regrole and m.admin_option
  ) then
    grant ledger_all_tenants to ledger_owner with admin option;
  end if;
end
$$;

comment on role ledger_owner is 'agent-ledger: owns every object; migrations run as it';
comment on role ledger_admin is 'agent-ledger: creates tenants, binds roles, writes for every tenant';
comment on role ledger_writer is 'agent-ledger: executes write functions and reads the views of its tenant';
comment on role ledger_all_tenants is 'agent-ledger: bound to all tenants; ledger.bind_role grants it';
comment on role ledger_auditor is 'agent-ledger: reads the views of its tenant';
--! EndIncluded roles.sql

create schema ledger authorization ledger_owner;
create schema ledger_private authorization ledger_owner;
comment on schema ledger is 'Public API of agent-ledger: functions in, views out.';
comment on schema ledger_private is 'State of agent-ledger. No USAGE for anyone but its owner.';
grant usage on schema ledger to ledger_admin, ledger_writer, ledger_auditor;

set local role ledger_owner;

-- ---------------------------------------------------------------------------------------------------------------------
-- Types: what the rules speak of
-- ---------------------------------------------------------------------------------------------------------------------

create type ledger_private.usage as (
  iterations numeric,
  input_tokens numeric,
  output_tokens numeric,
  cache_read_tokens numeric,
  cache_write_tokens numeric,
  reasoning_tokens numeric,
  charged_tokens numeric,
  usd numeric,
  ms numeric,
  uncertain_tokens numeric,
  uncertain_iterations numeric,
  uncertain_usd numeric,
  tokens_known boolean,
  usd_known boolean,
  resources jsonb,
  tokens_unknown integer,
  iterations_unknown integer,
  usd_unknown integer,
  usd_seals integer
);
comment on type ledger_private.usage is
  'What one event consumed, and how often something in it is unknown (1 or 0; differences in a correction). usd null = unknown and not charged.';

create type ledger_private.move as (
  channel text,
  funded numeric,
  held numeric,
  spent numeric,
  uncertain numeric,
  unknown integer,
  seals integer,
  draws boolean
);
comment on type ledger_private.move is
  'A change of one channel row: what is added to total, reserved, committed, uncertain, and the counts. draws = another pool that pays books it too.';

create type ledger_private.answer as (
  status text,
  code text,
  result jsonb,
  pool_id text,
  seq bigint
);
comment on type ledger_private.answer is
  'ok, refused, error or replayed; pool_id and seq of the journal row that carries the operation.';

-- ---------------------------------------------------------------------------------------------------------------------
-- Who
-- ---------------------------------------------------------------------------------------------------------------------

create table ledger_private.tenants (
  tenant_id text not null,
  settings jsonb not null default '{}',
  frozen_pools integer not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  constraint tenants_pkey primary key (tenant_id),
  constraint tenants_id_short check (char_length(tenant_id) between 1 and 200 and tenant_id <> '*'),
  constraint tenants_settings_object check (jsonb_typeof(settings) = 'object'),
  constraint tenants_frozen_pools_not_negative check (frozen_pools >= 0)
);
comment on table ledger_private.tenants is 'Isolation and billing unit. frozen_pools lets a spawn skip the walk up the tree while nothing is frozen.';

create table ledger_private.role_bindings (
  tenant_id text not null,
  role_name text not null,
  bound_at timestamptz not null default clock_timestamp(),
  bound_by text not null default session_user,
  constraint role_bindings_pkey primary key (tenant_id, role_name),
  constraint role_bindings_role_once unique (role_name)
);
comment on table ledger_private.role_bindings is 'The one tenant a login role acts for; * = all of them.';

-- ---------------------------------------------------------------------------------------------------------------------
-- Budgets
-- ---------------------------------------------------------------------------------------------------------------------

create table ledger_private.pools (
  tenant_id text not null,
  pool_id text not null,
  parent_pool_id text,
  run_id text,
  state text not null default 'open',
  deadline_at timestamptz,
  unknown_usd text not null default 'seal',
  token_charge text not null default 'total',
  depth integer not null default 0,
  depth_left integer,
  payers text[],
  tags jsonb,
  opened_at timestamptz not null,
  constraint pools_pkey primary key (tenant_id, pool_id),
  constraint pools_parent_fkey foreign key (tenant_id, parent_pool_id) references ledger_private.pools (tenant_id, pool_id),
  constraint pools_parent_other check (parent_pool_id <> pool_id),
  constraint pools_state_known check (state in ('open', 'frozen', 'closed')),
  constraint pools_unknown_usd_known check (unknown_usd in ('seal', 'flag')),
  constraint pools_token_charge_known check (token_charge in ('total', 'uncached')),
  constraint pools_depth_of_top_zero check ((depth = 0) = (parent_pool_id is null) and depth >= 0),
  constraint pools_depth_left_not_negative check (depth_left >= 0)
);
create index pools_parent_idx on ledger_private.pools (tenant_id, parent_pool_id) where parent_pool_id is not null;
comment on table ledger_private.pools is
  'What seldom changes of a budget. depth_left, deadline_at: the strictest of the pool and all above it; payers: pools above that pay some channel.';

create table ledger_private.pool_heads (
  tenant_id text not null,
  pool_id text not null,
  seq bigint not null default 0,
  open_holds integer not null default 0,
  children integer not null default 0,
  undelivered integer not null default 0,
  delivered_seq bigint not null default 0,
  next_cursor bigint not null default 0,
  next_lease_at timestamptz,
  constraint pool_heads_pkey primary key (tenant_id, pool_id),
  constraint pool_heads_pool_fkey foreign key (tenant_id, pool_id) references ledger_private.pools (tenant_id, pool_id),
  constraint pool_heads_open_holds_not_negative check (open_holds >= 0 and open_holds <= children),
  constraint pool_heads_undelivered_not_negative check (undelivered >= 0 and next_cursor >= 0),
  constraint pool_heads_delivered_seq_within check (delivered_seq between 0 and seq)
) with (fillfactor = 50);
comment on table ledger_private.pool_heads is
  'The narrow hot row of a pool. seq: last journal row; children: ordinal of the next derived id; next_lease_at: no open hold has an earlier lease.';

create table ledger_private.channels (
  tenant_id text not null,
  pool_id text not null,
  channel text not null,
  unit text,
  total numeric(38, 12),
  free numeric(38, 12),
  reserved numeric(38, 12) not null default 0,
  committed numeric(38, 12) not null default 0,
  uncertain numeric(38, 12) not null default 0,
  remainder numeric(38, 12) not null default 0,
  unknown integer not null default 0,
  seals integer not null default 0,
  payer_pool_id text,
  constraint channels_pkey primary key (tenant_id, pool_id, channel),
  constraint channels_pool_fkey foreign key (tenant_id, pool_id) references ledger_private.pools (tenant_id, pool_id),
  constraint channels_payer_fkey foreign key (tenant_id, payer_pool_id, channel)
    references ledger_private.channels (tenant_id, pool_id, channel),
  constraint channels_capped_adds_up check (total is null or (free is not null and total = free + reserved + committed)),
  constraint channels_uncapped_only_observed check (total is not null or (free is null and reserved = 0)),
  constraint channels_amounts_finite check (greatest(total, free, reserved, committed, uncertain, remainder) < 'Infinity'),
  constraint channels_total_not_negative check (total >= 0),
  constraint channels_reserved_not_negative check (reserved >= 0),
  constraint channels_committed_not_negative check (committed >= 0),
  constraint channels_uncertain_within_committed check (uncertain >= 0 and uncertain <= committed),
  constraint channels_remainder_only_sealed check (remainder >= 0 and remainder <= uncertain and (seals > 0 or remainder = 0)),
  constraint channels_seals_within_unknown check (seals >= 0 and seals <= unknown and (seals = 0 or total is not null)),
  constraint channels_capped_pays_itself check (total is null or (payer_pool_id is not null and payer_pool_id = pool_id)),
  constraint channels_uncapped_pays_elsewhere check (total is not null or payer_pool_id is null or payer_pool_id <> pool_id),
  constraint channels_counts_whole check (
    channel not in ('tokens', 'iterations') or (total = trunc(total) is not false and reserved = trunc(reserved)
      and committed = trunc(committed) and uncertain = trunc(uncertain))
  )
) with (fillfactor = 50);
comment on table ledger_private.channels is
  'One quantity of one pool. remainder: the part of committed that only a seal put there; unknown, seals: events of unknown usage still uncorrected.';

create table ledger_private.nodes (
  tenant_id text not null,
  node_id text not null,
  parent_node_id text,
  run_id text,
  driver boolean not null default false,
  label text not null,
  runtime text,
  key text,
  superseded boolean not null default false,
  budget jsonb not null default '{}',
  hold jsonb not null default '{}',
  tags jsonb,
  status text not null default 'pending',
  lease_at timestamptz,
  cursor bigint,
  terminal_seq bigint,
  late boolean not null default false,
  verdict jsonb,
  out_ref text,
  reason text,
  infra boolean,
  spawned_at timestamptz not null,
  dispatched_at timestamptz,
  ended_at timestamptz,
  constraint nodes_pkey primary key (tenant_id, node_id),
  constraint nodes_tenant_fkey foreign key (tenant_id) references ledger_private.tenants (tenant_id),
  constraint nodes_parent_fkey foreign key (tenant_id, parent_node_id) references ledger_private.pools (tenant_id, pool_id),
  constraint nodes_parent_other check (parent_node_id <> node_id),
  constraint nodes_root_owns_pool check (parent_node_id is not null or driver),
  constraint nodes_status_known check (status in ('pending', 'dispatched', 'done', 'down', 'cancelled', 'expired')),
  constraint nodes_ended_has_time check ((status in ('pending', 'dispatched')) = (ended_at is null)),
  constraint nodes_terminal_row_of_ended check (terminal_seq is null or ended_at is not null),
  constraint nodes_cursor_of_ended check (cursor is null or (cursor >= 0 and terminal_seq is not null and terminal_seq > 0)),
  constraint nodes_dispatched_has_time check (status <> 'dispatched' or dispatched_at is not null),
  constraint nodes_superseded_has_key check (not superseded or key is not null),
  constraint nodes_budget_object check (jsonb_typeof(budget) = 'object' and jsonb_typeof(hold) = 'object'),
  constraint nodes_late_only_ended check (not late or ended_at is not null)
) with (fillfactor = 50);
create index nodes_parent_idx on ledger_private.nodes (tenant_id, parent_node_id) where parent_node_id is not null;
create unique index nodes_key_once on ledger_private.nodes (tenant_id, parent_node_id, key) where key is not null and not superseded;
comment on table ledger_private.nodes is
  'One agent, worker or request. parent_node_id owns the pool it holds from; terminal_seq: its terminal row there; late: expired, then settled.';

alter table ledger_private.pools
  add constraint pools_owner_fkey foreign key (tenant_id, pool_id) references ledger_private.nodes (tenant_id, node_id);

create table ledger_private.runs (
  tenant_id text not null,
  run_id text not null,
  label text not null,
  experiment text,
  arm text,
  task text,
  replicate text,
  outcome text,
  verdict jsonb,
  out_ref text,
  reason text,
  infra boolean not null default false,
  resolved boolean,
  score numeric,
  opened_at timestamptz not null,
  judged_at timestamptz,
  constraint runs_pkey primary key (tenant_id, run_id),
  constraint runs_pool_fkey foreign key (tenant_id, run_id) references ledger_private.pools (tenant_id, pool_id),
  constraint runs_outcome_known check (outcome in ('done', 'down', 'cancelled')),
  constraint runs_arm_of_experiment check ((experiment is null) = (arm is null)),
  constraint runs_task_of_experiment check (experiment is not null or (task is null and replicate is null)),
  constraint runs_score_finite check (score > '-Infinity' and score < 'Infinity')
);
create index runs_experiment_idx on ledger_private.runs (tenant_id, experiment) where experiment is not null;
comment on table ledger_private.runs is 'A root node marked as a run: where it stands in an experiment, how it ended, how it was judged.';

-- ---------------------------------------------------------------------------------------------------------------------
-- What happened
-- ---------------------------------------------------------------------------------------------------------------------

create table ledger_private.journal (
  tenant_id text not null,
  pool_id text not null,
  seq bigint not null,
  recorded_at timestamptz not null,
  effective_at timestamptz not null,
  kind text not null,
  operation_id text not null,
  recorded_by text not null default session_user,
  run_id text,
  node_id text,
  source_pool_id text,
  source_seq bigint,
  corrects_seq bigint,
  provider text,
  model text,
  provider_request_id text,
  purpose text,
  turn integer,
  tool_calls jsonb,
  tags jsonb,
  iterations numeric(38, 0),
  input_tokens numeric(38, 0),
  output_tokens numeric(38, 0),
  cache_read_tokens numeric(38, 0),
  cache_write_tokens numeric(38, 0),
  reasoning_tokens numeric(38, 0),
  charged_tokens numeric(38, 0),
  usd numeric(38, 12),
  ms numeric(38, 0),
  uncertain_tokens numeric(38, 0),
  uncertain_iterations numeric(38, 0),
  uncertain_usd numeric(38, 12),
  tokens_known boolean,
  usd_known boolean,
  resources jsonb,
  verdict jsonb,
  outcome text,
  out_ref text,
  reason text,
  infra boolean,
  detail jsonb,
  tokens_funded numeric(38, 0),
  tokens_held numeric(38, 0),
  tokens_spent numeric(38, 0),
  tokens_uncertain numeric(38, 0),
  tokens_unknown integer,
  iterations_funded numeric(38, 0),
  iterations_held numeric(38, 0),
  iterations_spent numeric(38, 0),
  iterations_uncertain numeric(38, 0),
  iterations_unknown integer,
  usd_funded numeric(38, 12),
  usd_held numeric(38, 12),
  usd_spent numeric(38, 12),
  usd_uncertain numeric(38, 12),
  usd_unknown integer,
  usd_seals integer,
  usd_remainder numeric(38, 12),
  resource_moves jsonb,
  constraint journal_pkey primary key (tenant_id, pool_id, seq),
  constraint journal_seq_positive check (seq > 0),
  constraint journal_kind_known check (
    kind ~ '^(opened|funded|spawned|dispatched|extended|settled|cancelled|metered|delivered|corrected|expired|frozen|thawed|closed|judged|drawn)$'
  ),
  constraint journal_purpose_known check (purpose ~ '^(turn|compaction|failed|tool)$'),
  constraint journal_outcome_known check (outcome ~ '^(done|down|cancelled|expired)$'),
  constraint journal_effective_not_later check (effective_at <= recorded_at),
  constraint journal_amounts_finite check (
    greatest(
      iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, charged_tokens, usd, ms,
      uncertain_tokens, uncertain_iterations, uncertain_usd,
      tokens_funded, tokens_held, tokens_spent, tokens_uncertain, iterations_funded, iterations_held, iterations_spent, iterations_uncertain,
      usd_funded, usd_held, usd_spent, usd_uncertain, usd_remainder
    ) < 'Infinity'
  ),
  constraint journal_usage_not_negative check (
    kind = 'corrected'
    or least(
      iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, charged_tokens, usd, ms,
      uncertain_tokens, uncertain_iterations, uncertain_usd
    ) >= 0
  ),
  constraint journal_cache_within_input check (
    kind = 'corrected' or coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0) <= input_tokens
  ),
  constraint journal_reasoning_within_output check (kind = 'corrected' or reasoning_tokens <= output_tokens),
  constraint journal_uncertain_within_usage check (
    kind = 'corrected' or (uncertain_tokens <= charged_tokens and uncertain_iterations <= iterations and uncertain_usd <= usd)
  ),
  constraint journal_source_whole check ((source_pool_id is null) = (source_seq is null)),
  constraint journal_corrects_earlier check (corrects_seq is null or (corrects_seq < seq and kind = 'corrected'))
);
create unique index journal_terminal_once on ledger_private.journal (tenant_id, node_id) where kind in ('settled', 'cancelled', 'expired');
create unique index journal_closed_once on ledger_private.journal (tenant_id, pool_id) where kind = 'closed';
create index journal_corrects_idx on ledger_private.journal (tenant_id, pool_id, corrects_seq) where corrects_seq is not null;
comment on table ledger_private.journal is
  'Append-only. Usage columns say what was consumed; <channel>_<move> columns say what it did to the channel rows of this pool. Null = nothing.';

create table ledger_private.usage_lines (
  tenant_id text not null,
  pool_id text not null,
  seq bigint not null,
  line integer not null,
  provider text,
  model text,
  provider_request_id text,
  iterations numeric(38, 0) not null default 0,
  input_tokens numeric(38, 0) not null default 0,
  output_tokens numeric(38, 0) not null default 0,
  cache_read_tokens numeric(38, 0) not null default 0,
  cache_write_tokens numeric(38, 0) not null default 0,
  reasoning_tokens numeric(38, 0) not null default 0,
  charged_tokens numeric(38, 0) not null default 0,
  usd numeric(38, 12),
  ms numeric(38, 0) not null default 0,
  uncertain_usd numeric(38, 12) not null default 0,
  tokens_known boolean not null,
  usd_known boolean not null,
  resources jsonb,
  constraint usage_lines_pkey primary key (tenant_id, pool_id, seq, line),
  constraint usage_lines_event_fkey foreign key (tenant_id, pool_id, seq) references ledger_private.journal (tenant_id, pool_id, seq),
  constraint usage_lines_line_not_negative check (line >= 0),
  constraint usage_lines_not_negative check (
    iterations >= 0 and input_tokens >= 0 and output_tokens >= 0 and charged_tokens >= 0 and usd >= 0 and ms >= 0
    and iterations + input_tokens + output_tokens + charged_tokens + coalesce(usd, 0) + ms < 'Infinity'
  ),
  constraint usage_lines_uncertain_within_usd check (uncertain_usd between 0 and coalesce(usd, 0)),
  constraint usage_lines_cache_within_input check (
    cache_read_tokens >= 0 and cache_write_tokens >= 0 and cache_read_tokens + cache_write_tokens <= input_tokens
  ),
  constraint usage_lines_reasoning_within_output check (reasoning_tokens >= 0 and reasoning_tokens <= output_tokens)
);
comment on table ledger_private.usage_lines is 'The calls and models one settlement spans; they add up to its journal row.';

create table ledger_private.operations (
  tenant_id text not null,
  operation_id text not null,
  digest bytea not null,
  code text,
  pool_id text,
  seq bigint,
  label text,
  result jsonb,
  at timestamptz not null,
  constraint operations_pkey primary key (tenant_id, operation_id),
  constraint operations_digest_sha256 check (octet_length(digest) = 32),
  constraint operations_refusal_has_no_row check (code is null or seq is null),
  constraint operations_code_known check (
    code ~ '^(key-conflict|duplicate-key|pool-closed|pool-frozen|deadline-passed|depth-exceeded|usd-sealed|usd-unbudgeted|budget-exhausted|not-free)$'
  )
);
comment on table ledger_private.operations is
  'Idempotency: what was asked (digest) and answered. code null = ok; result without pool_id and seq, which have columns.';
alter table ledger_private.operations set (fillfactor = 80);

create table ledger_private.blobs (
  tenant_id text not null,
  blob_id text not null,
  body bytea not null,
  stored_at timestamptz not null default clock_timestamp(),
  constraint blobs_pkey primary key (tenant_id, blob_id),
  constraint blobs_tenant_fkey foreign key (tenant_id) references ledger_private.tenants (tenant_id),
  constraint blobs_id_is_digest check (blob_id = 'sha256:' || encode(sha256(body), 'hex'))
);
comment on table ledger_private.blobs is 'Artifacts by content: sha256:<hex> of the bytes.';

--! Included all.sql
-- Every object of the ledger, in order of creation. Tables and types come before, from migrations/.
--
-- Values: amounts, instants, and the shape of what callers send
--! Included rules/channel_order.sql
-- The order channels are listed in everywhere: tokens, iterations, usd, then resources by name. Sort key, collation "C".
create or replace function ledger_private.channel_order(p_channel text)
returns text
language sql
immutable
parallel safe
return case p_channel when 'tokens' then '0' when 'iterations' then '1' when 'usd' then '2' else '3' || p_channel end collate "C";
--! EndIncluded rules/channel_order.sql
--! Included rules/amount.sql
-- The number an amount stands for: a JSON number or a plain decimal string. Null where it is neither.
create or replace function ledger_private.amount(p_value jsonb)
returns numeric
language sql
immutable
parallel safe
return case jsonb_typeof(p_value)
  when 'number' then p_value::numeric
  when 'string' then case when p_value #>> '{}' ~ '^-?[0-9]{1,30}([.][0-9]{1,30})?$' then (p_value #>> '{}')::numeric end
end;
--! EndIncluded rules/amount.sql
--! Included rules/text_of.sql
-- An amount in answers: text in shortest decimal form.
create or replace function ledger_private.text_of(p_amount numeric)
returns text
language sql
immutable
parallel safe
return trim_scale(p_amount)::text;
--! EndIncluded rules/text_of.sql
--! Included rules/instant.sql
-- The instant an ISO 8601 text with a zone names; null where it names none. A text without zone would mean another time in another session.
create or replace function ledger_private.instant(p_text text)
returns timestamptz
language plpgsql
immutable
strict
parallel safe
as $$
begin
  if p_text !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$' then
    return null;
  end if;
  return p_text::timestamptz;
exception when datetime_field_overflow or invalid_datetime_format or invalid_time_zone_displacement_value then
  return null;
end;
$$;
--! EndIncluded rules/instant.sql
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
    when 'money', 'change' then
      if v_type not in ('number', 'string') then
        return false;
      end if;
      v_number := ledger_private.amount(p_value);
      return coalesce(scale(trim_scale(v_number)) <= 12 and abs(v_number) < 1e15 and (v_number >= 0 or p_kind = 'change'), false);
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
    when 'outcome' then
      return p_value in ('"done"', '"down"');
    when 'purpose' then
      return p_value in ('"turn"', '"compaction"', '"failed"', '"tool"');
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
--! Included rules/shape.sql
-- The keys of an operation (besides those of 'any'), of a spend and of a usage line: name -> kind (ledger_private.fits), 'spend', or the shape
-- of an object; "!" lists the required ones, "*" stands for any other channel name. Null for an operation that does not exist.
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
    "reasoning_tokens": "count", "usd": "money", "usd_known": "flag", "tokens_known": "flag", "ms": "count",
    "resources": {"!": [], "tokens": "own", "iterations": "own", "usd": "own", "*": {"!": ["amount"], "amount": "money"}}
  }'::jsonb
  when 'line' then '{
    "!": [], "provider": "id", "model": "id", "provider_request_id": "id",
    "iterations": "count", "input_tokens": "count", "output_tokens": "count", "cache_read_tokens": "count", "cache_write_tokens": "count",
    "reasoning_tokens": "count", "usd": "money", "usd_known": "flag", "tokens_known": "flag", "ms": "count",
    "resources": {"!": [], "tokens": "own", "iterations": "own", "usd": "own", "*": {"!": ["amount"], "amount": "money"}}
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
    "of": "id", "reason": "text", "spend": "spend"
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
end;
--! EndIncluded rules/shape.sql
--! Included rules/misfit.sql
-- The first place where a JSON object does not have a shape (ledger_private.shape): {path, rule}, or null where it fits.
create or replace function ledger_private.misfit(
  p_value jsonb,
  p_shape jsonb,
  p_path text,
  p_common jsonb default '{}'
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_key text;
  v_item jsonb;
  v_kind jsonb;
  v_misfit jsonb;
begin
  if jsonb_typeof(p_value) <> 'object' then
    return jsonb_build_object('path', rtrim(p_path, '.'), 'rule', 'must be an object');
  end if;
  if p_shape ? '*' and (select count(*) > 64 from jsonb_object_keys(p_value)) then
    return jsonb_build_object('path', rtrim(p_path, '.'), 'rule', 'takes at most 64 names');
  end if;
  for v_key, v_item in select e.key, e.value from jsonb_each(p_value) e loop
    v_kind := coalesce(p_shape -> v_key, p_common -> v_key, p_shape -> '*');
    if v_kind is null or v_key in ('!', '*') or (p_shape ? '*' and not ledger_private.fits('id', to_jsonb(v_key))) then
      return jsonb_build_object('path', p_path || v_key, 'rule', 'is not a key here');
    elsif jsonb_typeof(v_kind) = 'object' then
      v_misfit := ledger_private.misfit(v_item, v_kind, p_path || v_key || '.');
    elsif v_kind = '"spend"' then
      v_misfit := ledger_private.misfit(v_item, ledger_private.shape('spend'), p_path || v_key || '.');
    elsif not ledger_private.fits(v_kind #>> '{}', v_item) then
      v_misfit := jsonb_build_object('path', p_path || v_key, 'rule', ledger_private.rule_text(v_kind #>> '{}'));
    end if;
    if v_misfit is not null then
      return v_misfit;
    end if;
  end loop;
  for v_key in select e.name from jsonb_array_elements_text(p_shape -> '!') e (name) where not p_value ? e.name loop
    return jsonb_build_object('path', p_path || v_key, 'rule', 'is required');
  end loop;
  return null;
end;
$$;
--! EndIncluded rules/misfit.sql
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
      where e.key in ('iterations', 'input_tokens', 'output_tokens', 'cache_read_tokens', 'cache_write_tokens', 'reasoning_tokens', 'usd', 'ms')
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
    'iterations', 'input_tokens', 'output_tokens', 'cache_read_tokens', 'cache_write_tokens', 'reasoning_tokens', 'usd', 'ms'
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
  v_shape := case when p_operation ->> 'op' not in ('any', 'spend', 'line') then ledger_private.shape(p_operation ->> 'op') end;
  if v_shape is null then
    return jsonb_build_object('path', 'op', 'rule', format('%s is no operation of the ledger', coalesce(p_operation -> 'op', 'null')));
  end if;
  v_misfit := ledger_private.misfit(p_operation, v_shape, '', ledger_private.shape('any'));
  if v_misfit is not null then
    return v_misfit;
  elsif ledger_private.instant(p_operation ->> 'effective_at') > p_at then
    return jsonb_build_object('path', 'effective_at', 'rule', 'must not be in the future');
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

-- What an operation asks for, as rows that do not exist yet
--! Included rules/digest_of.sql
-- What makes two operations of one id the same: sha256 of the jsonb text without the id.
create or replace function ledger_private.digest_of(p_operation jsonb)
returns bytea
language plpgsql
immutable
parallel safe
as $$
begin
  return sha256(convert_to((p_operation - 'operation_id')::text, 'UTF8'));
end;
$$;
--! EndIncluded rules/digest_of.sql
--! Included rules/tags_of.sql
-- The tags of a node or an event: its parent's, and its own over them. Null where there are none.
create or replace function ledger_private.tags_of(p_inherited jsonb, p_own jsonb)
returns jsonb
language sql
immutable
parallel safe
return nullif(coalesce(p_inherited || p_own, p_inherited, p_own), '{}');
--! EndIncluded rules/tags_of.sql
--! Included rules/totals_of.sql
-- The budget that the channels of an open_pool ask for: {channel: total} of those that have one.
create or replace function ledger_private.totals_of(p_channels jsonb)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return coalesce((select jsonb_object_agg(c.key, c.value -> 'total') from jsonb_each(p_channels) c where c.value ? 'total'), '{}');
end;
$$;
--! EndIncluded rules/totals_of.sql
--! Included rules/channels_of.sql
-- The channels of a driver's pool: capped where its budget declares a ceiling. {channel: {total}}.
create or replace function ledger_private.channels_of(p_budget jsonb)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return coalesce((select jsonb_object_agg(b.key, jsonb_build_object('total', b.value)) from jsonb_each(p_budget) b), '{}');
end;
$$;
--! EndIncluded rules/channels_of.sql
--! Included rules/new_node.sql
-- A node row as it is before anything happened to it.
create or replace function ledger_private.new_node(
  p_tenant_id text,
  p_node_id text,
  p_parent_node_id text,
  p_operation jsonb
)
returns ledger_private.nodes
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.nodes;
begin
  v.tenant_id := p_tenant_id;
  v.node_id := p_node_id;
  v.parent_node_id := p_parent_node_id;
  v.driver := coalesce((p_operation -> 'driver')::boolean, false);
  v.label := p_operation ->> 'label';
  v.runtime := p_operation ->> 'runtime';
  v.key := p_operation ->> 'key';
  v.superseded := false;
  v.budget := coalesce(p_operation -> 'budget', '{}');
  v.hold := '{}';
  v.status := 'pending';
  v.late := false;
  return v;
end;
$$;
--! EndIncluded rules/new_node.sql
--! Included rules/new_pool.sql
-- A pool row under p_parent (null = a top pool): what it does not say itself is inherited, deadline and depth are the strictest of both.
create or replace function ledger_private.new_pool(
  p_parent ledger_private.pools,
  p_pool_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.pools
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.pools;
begin
  v.tenant_id := p_parent.tenant_id;
  v.pool_id := p_pool_id;
  v.parent_pool_id := p_parent.pool_id;
  v.run_id := p_parent.run_id;
  v.state := 'open';
  v.deadline_at := least(p_parent.deadline_at, p_at + (p_operation ->> 'deadline_ms')::double precision * interval '1 millisecond');
  v.unknown_usd := coalesce(p_operation ->> 'unknown_usd', p_parent.unknown_usd, 'seal');
  v.token_charge := coalesce(p_operation ->> 'token_charge', p_parent.token_charge, 'total');
  v.depth := coalesce(p_parent.depth + 1, 0);
  v.depth_left := least(p_parent.depth_left - 1, (p_operation -> 'max_depth')::integer);
  v.tags := ledger_private.tags_of(p_parent.tags, p_operation -> 'tags');
  v.opened_at := p_at;
  return v;
end;
$$;
--! EndIncluded rules/new_pool.sql

-- Answers
--! Included rules/ok.sql
-- The answer of an operation that was done; p_extra is what result holds besides pool_id and seq.
create or replace function ledger_private.ok(
  p_pool_id text,
  p_seq bigint,
  p_extra jsonb default null
)
returns ledger_private.answer
language sql
immutable
parallel safe
return row('ok', null, p_extra, p_pool_id, p_seq)::ledger_private.answer;
--! EndIncluded rules/ok.sql
--! Included rules/refused.sql
-- The answer of an operation that the business rules refuse: p_refusal is {code, shortfall?}.
create or replace function ledger_private.refused(
  p_pool_id text,
  p_refusal jsonb
)
returns ledger_private.answer
language sql
immutable
parallel safe
return row('refused', p_refusal ->> 'code', nullif(p_refusal - 'code', '{}'), p_pool_id, null)::ledger_private.answer;
--! EndIncluded rules/refused.sql
--! Included rules/failed.sql
-- The answer of an operation that is in error: an LG code, where in the operation, and which rule.
create or replace function ledger_private.failed(
  p_code text,
  p_path text,
  p_rule text
)
returns ledger_private.answer
language plpgsql
immutable
parallel safe
as $$
begin
  return row('error', p_code, jsonb_build_object('path', p_path, 'rule', p_rule), null, null)::ledger_private.answer;
end;
$$;
--! EndIncluded rules/failed.sql
--! Included rules/no_open_hold.sql
-- Why a node has no open hold to work on: LG003 no such node, LG001 a root, LG004 ended. Null where it has one.
create or replace function ledger_private.no_open_hold(p_node ledger_private.nodes, p_operation jsonb)
returns ledger_private.answer
language plpgsql
immutable
parallel safe
as $$
begin
  return case
    when p_node.node_id is null then ledger_private.failed('LG003', 'node_id', format('there is no node %s', p_operation ->> 'node_id'))
    when p_node.parent_node_id is null
      then ledger_private.failed('LG001', 'node_id', format('%s is the root of its tree: only a hold can be dispatched or extended', p_node.node_id))
    when p_node.ended_at is not null then ledger_private.failed('LG004', 'node_id', format('node %s has already ended', p_node.node_id))
  end;
end;
$$;
--! EndIncluded rules/no_open_hold.sql

-- Usage: what a spend states, what silence is charged, what a correction adds
--! Included rules/resources_sum.sql
-- Two maps of named resources {name: {amount, uncertain?, unknown?}} added up, the second one p_sign times. Null where nothing is left.
create or replace function ledger_private.resources_sum(
  p_one jsonb,
  p_other jsonb,
  p_sign integer default 1
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return case when p_one is null and p_other is null then null else (
    select jsonb_object_agg(r.name, jsonb_strip_nulls(jsonb_build_object(
      'amount', r.amount, 'uncertain', nullif(r.uncertain, 0), 'unknown', nullif(r.unknown, 0)
    )))
    from (
      select
        e.key as name,
        sum(e.sign * coalesce(ledger_private.amount(e.value -> 'amount'), 0)) as amount,
        sum(e.sign * coalesce((e.value -> 'uncertain')::numeric, 0)) as uncertain,
        sum(e.sign * coalesce((e.value -> 'unknown')::numeric, 0)) as unknown
      from (
        select o.key, o.value, 1 as sign from jsonb_each(coalesce(p_one, '{}')) o
        union all
        select o.key, o.value, p_sign from jsonb_each(coalesce(p_other, '{}')) o
      ) e
      group by e.key
    ) r
  ) end;
end;
$$;
--! EndIncluded rules/resources_sum.sql
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
--! Included rules/ceiling_usage.sql
-- The usage charged for work that may have been billed and was never reported: every declared ceiling, all of it uncertain. Dollars nobody
-- declared are unknown.
create or replace function ledger_private.ceiling_usage(p_budget jsonb)
returns ledger_private.usage
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.usage := ledger_private.usage_of('{"usd_known": false, "tokens_known": false}', 'total', p_budget);
begin
  v.iterations := coalesce(ledger_private.amount(p_budget -> 'iterations'), 0);
  v.charged_tokens := coalesce(ledger_private.amount(p_budget -> 'tokens'), 0);
  v.uncertain_tokens := v.charged_tokens;
  v.uncertain_iterations := v.iterations;
  v.iterations_unknown := 1;
  v.resources := (
    select jsonb_object_agg(b.key, jsonb_build_object('amount', a.amount, 'uncertain', a.amount, 'unknown', 1))
    from jsonb_each(p_budget) b
    cross join lateral ledger_private.amount(b.value) a (amount)
    where b.key not in ('tokens', 'iterations', 'usd')
  );
  return v;
end;
$$;
--! EndIncluded rules/ceiling_usage.sql
--! Included rules/unreported_usage.sql
-- What a leaf is charged when nobody reports its usage: never dispatched, a known zero; else its declared ceilings.
create or replace function ledger_private.unreported_usage(p_node ledger_private.nodes)
returns ledger_private.usage
language sql
immutable
parallel safe
return case
  when p_node.dispatched_at is null then ledger_private.usage_of('{"usd": 0}', 'total')
  else ledger_private.ceiling_usage(p_node.budget)
end;
--! EndIncluded rules/unreported_usage.sql
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
  coalesce(p_event.tokens_unknown, 0), coalesce(p_event.iterations_unknown, 0), coalesce(p_event.usd_unknown, 0), coalesce(p_event.usd_seals, 0)
)::ledger_private.usage;
--! EndIncluded rules/usage_in.sql

-- Moves: what an event does to balances. moved is the only arithmetic on them
--! Included rules/ended.sql
-- A leaf as it is after its terminal row.
create or replace function ledger_private.ended(
  p_node ledger_private.nodes,
  p_status text,
  p_terminal_seq bigint,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.nodes
language plpgsql
immutable
parallel safe
as $$
begin
  p_node.late := p_node.status = 'expired';
  p_node.status := p_status;
  p_node.terminal_seq := coalesce(p_node.terminal_seq, p_terminal_seq);
  p_node.verdict := p_operation -> 'verdict';
  p_node.out_ref := p_operation ->> 'out_ref';
  p_node.reason := p_operation ->> 'reason';
  p_node.infra := (p_operation -> 'infra')::boolean;
  p_node.ended_at := p_at;
  return p_node;
end;
$$;
--! EndIncluded rules/ended.sql
--! Included rules/foldable.sql
-- Whether an operation may stand in a fold: the common ones, in their common form. The rest take the plain path.
create or replace function ledger_private.foldable(p_operation jsonb)
returns boolean
language sql
immutable
parallel safe
return p_operation ->> 'op' in ('meter', 'spawn', 'settle', 'dispatch', 'cancel')
  and not p_operation ?| array['key', 'driver', 'lines'];
--! EndIncluded rules/foldable.sql
--! Included rules/draws.sql
-- Whether a move of one pool's row is booked by its payer too: it is meant to be, another pool pays, and something moved.
create or replace function ledger_private.draws(p_move ledger_private.move, p_row ledger_private.channels)
returns boolean
language sql
immutable
parallel safe
return p_move.draws and p_row.payer_pool_id is not null and p_row.payer_pool_id <> p_row.pool_id
  and (p_move.spent <> 0 or p_move.uncertain <> 0 or p_move.unknown <> 0 or p_move.seals <> 0);
--! EndIncluded rules/draws.sql
--! Included rules/moved.sql
-- A channel row after a move: the only arithmetic on balances. While the row is sealed, everything neither held nor known to be spent counts as
-- committed and uncertain (remainder). p_follows: the pool is closed under a parent, so its total follows what is committed and free stays 0.
create or replace function ledger_private.moved(
  p_channel ledger_private.channels,
  p_move ledger_private.move,
  p_seals boolean,
  p_follows boolean default false
)
returns ledger_private.channels
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.channels := p_channel;
  v_known numeric;
begin
  v_known := v.committed - v.remainder + p_move.spent;
  v.uncertain := v.uncertain - v.remainder + p_move.uncertain;
  v.unknown := v.unknown + p_move.unknown;
  v.reserved := v.reserved + p_move.held;
  if v.total is null then
    v.committed := v_known;
    return v;
  end if;
  if p_seals then
    v.seals := v.seals + p_move.seals;
  end if;
  v.total := v.total + p_move.funded;
  v.remainder := case when v.seals > 0 then greatest(0, v.total - v.reserved - v_known) else 0 end;
  v.committed := v_known + v.remainder;
  v.uncertain := v.uncertain + v.remainder;
  if p_follows then
    v.total := v.committed;
  end if;
  v.free := v.total - v.reserved - v.committed;
  return v;
end;
$$;
--! EndIncluded rules/moved.sql
--! Included rules/moves_of.sql
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
--! EndIncluded rules/moves_of.sql
--! Included rules/holding.sql
-- The moves that take a hold {channel: amount} out of free.
create or replace function ledger_private.holding(p_hold jsonb)
returns ledger_private.move[]
language plpgsql
immutable
parallel safe
as $$
declare
  v_moves ledger_private.move[] := '{}';
  v_channel text;
  v_amount jsonb;
begin
  for v_channel, v_amount in select h.key, h.value from jsonb_each(p_hold) h loop
    v_moves := v_moves || row(v_channel, 0, v_amount::numeric, 0, 0, 0, 0, false)::ledger_private.move;
  end loop;
  return v_moves;
end;
$$;
--! EndIncluded rules/holding.sql
--! Included rules/passed_up.sql
-- What a child pool's spend does to its parent: the moves of the parent for the change from p_before to p_after of the child's rows (parallel
-- arrays; p_before null = all of it, at settlement). Where the parent itself paid, it has booked the amount already through `drawn`; where a pool
-- above both paid, nobody draws again; where the child paid, the parent's payer draws. p_hold is what the settlement gives back first.
create or replace function ledger_private.passed_up(
  p_parent_pool_id text,
  p_after ledger_private.channels[],
  p_before ledger_private.channels[] default null,
  p_hold jsonb default '{}'
)
returns ledger_private.move[]
language plpgsql
immutable
parallel safe
as $$
begin
  return (
    select array_agg(
      row(
        m.channel, 0, -m.held,
        case when m.drawn then 0 else m.spent end,
        case when m.drawn then 0 else m.uncertain end,
        case when m.drawn then 0 else m.unknown end,
        0, m.pays
      )::ledger_private.move
      order by ledger_private.channel_order(m.channel)
    )
    from (
      select
        a.channel,
        coalesce((p_hold -> a.channel)::numeric, 0) as held,
        a.committed - coalesce(b.committed, 0) as spent,
        a.uncertain - coalesce(b.uncertain, 0) as uncertain,
        a.unknown - coalesce(b.unknown, 0) as unknown,
        coalesce(a.payer_pool_id = a.pool_id, false) as pays,
        coalesce(a.payer_pool_id = p_parent_pool_id, false) as drawn
      from unnest(p_after) with ordinality a
      left join unnest(p_before) with ordinality b on b.ordinality = a.ordinality
    ) m
    where m.held <> 0 or m.spent <> 0 or m.uncertain <> 0 or m.unknown <> 0
  );
end;
$$;
--! EndIncluded rules/passed_up.sql
--! Included rules/returned.sql
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
--! EndIncluded rules/returned.sql
--! Included rules/hold_of.sql
-- What a budget holds in a pool with these rows: {channel: amount} of its ceilings on the channels that the pool itself caps, zeros left out.
create or replace function ledger_private.hold_of(p_channels ledger_private.channels[], p_budget jsonb)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_hold jsonb := '{}';
  v_amount numeric;
begin
  for i in 1 .. cardinality(p_channels) loop
    v_amount := ledger_private.amount(p_budget -> p_channels[i].channel);
    if v_amount > 0 and p_channels[i].total is not null then
      v_hold := v_hold || jsonb_build_object(p_channels[i].channel, v_amount);
    end if;
  end loop;
  return v_hold;
end;
$$;
--! EndIncluded rules/hold_of.sql
--! Included rules/misfit_of_budget.sql
-- What a budget gets wrong about the pool it is asked of: a capped tokens or iterations channel must be named, a resource must exist there.
-- {path, rule} or null; p_path is where the budget stands in the operation.
create or replace function ledger_private.misfit_of_budget(
  p_channels ledger_private.channels[],
  p_budget jsonb,
  p_path text
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_names text[] := '{}';
  v_name text;
begin
  for i in 1 .. cardinality(p_channels) loop
    if p_channels[i].channel in ('tokens', 'iterations') and p_channels[i].total is not null and not p_budget ? p_channels[i].channel then
      return jsonb_build_object('path', p_path || p_channels[i].channel, 'rule', 'is required: the pool caps it');
    end if;
    v_names := v_names || p_channels[i].channel;
  end loop;
  for v_name in select b.name from jsonb_object_keys(p_budget - v_names) b (name) order by b.name loop
    return jsonb_build_object('path', p_path || v_name, 'rule', 'is not a channel of the pool');
  end loop;
  return null;
end;
$$;
--! EndIncluded rules/misfit_of_budget.sql
--! Included rules/misfit_of_open_pool.sql
-- What an open_pool gets wrong about its run or its parent (null = none): {path, rule} or null. Charge units never mix in one tree, and a run
-- holds no run.
create or replace function ledger_private.misfit_of_open_pool(
  p_parent ledger_private.pools,
  p_operation jsonb
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  if p_operation -> 'run' ? 'experiment' <> (p_operation -> 'run' ? 'arm') then
    return jsonb_build_object('path', 'run.arm', 'rule', 'experiment and arm are given together');
  elsif (p_operation -> 'run' ? 'task' or p_operation -> 'run' ? 'replicate') and not p_operation -> 'run' ? 'experiment' then
    return jsonb_build_object('path', 'run.experiment', 'rule', 'is required with task or replicate');
  elsif p_operation ->> 'token_charge' <> p_parent.token_charge then
    return jsonb_build_object('path', 'token_charge', 'rule', format('must be that of the tree: %s', p_parent.token_charge));
  elsif p_operation ? 'run' and p_parent.run_id is not null then
    return jsonb_build_object('path', 'run', 'rule', format('cannot be opened inside run %s', p_parent.run_id));
  end if;
  return null;
end;
$$;
--! EndIncluded rules/misfit_of_open_pool.sql
--! Included rules/refusal_of_budget.sql
-- Why a pool cannot grant a budget: null, or {code, shortfall?}. p_channels are the pool's rows with the budget already taken out
-- (ledger_private.hold), p_payers the payer's row of each (null = nobody pays). Declared or not, every channel is asked of its payer: 0 does not
-- fit a negative free. Precedence as in the list of refusals.
create or replace function ledger_private.refusal_of_budget(
  p_channels ledger_private.channels[],
  p_payers ledger_private.channels[],
  p_budget jsonb
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_shortfall jsonb;
  v_want numeric;
  v_free numeric;
  v_unbudgeted boolean := false;
begin
  for i in 1 .. cardinality(p_channels) loop
    v_want := coalesce(ledger_private.amount(p_budget -> p_channels[i].channel), 0);
    v_free := p_payers[i].free + case when p_channels[i].total is null then 0 else v_want end;
    if p_channels[i].channel = 'usd' then
      if p_payers[i].seals > 0 then
        return '{"code": "usd-sealed"}';
      end if;
      v_unbudgeted := v_want > 0 and p_channels[i].total is null;
    end if;
    if v_want > v_free then
      v_shortfall := coalesce(v_shortfall, '[]') || jsonb_build_object(
        'channel', p_channels[i].channel, 'requested', ledger_private.text_of(v_want), 'free', ledger_private.text_of(v_free)
      );
    end if;
  end loop;
  return case
    when v_unbudgeted then '{"code": "usd-unbudgeted"}'::jsonb
    when v_shortfall is not null then jsonb_build_object('code', 'budget-exhausted', 'shortfall', v_shortfall)
  end;
end;
$$;
--! EndIncluded rules/refusal_of_budget.sql
--! Included rules/violations.sql
-- Where a usage is above a declared ceiling: [{channel, reserved, spent}] in channel order. Declared 0 is a ceiling, undeclared is none.
create or replace function ledger_private.violations(
  p_usage ledger_private.usage,
  p_budget jsonb
)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
declare
  v_violations jsonb := '[]';
  v_name text;
  v_spent numeric;
  v_declared numeric;
begin
  for v_name, v_declared in
    select b.key, ledger_private.amount(b.value) from jsonb_each(p_budget) b order by ledger_private.channel_order(b.key)
  loop
    v_spent := case v_name
      when 'tokens' then p_usage.charged_tokens
      when 'iterations' then p_usage.iterations
      when 'usd' then p_usage.usd
      else ledger_private.amount(p_usage.resources -> v_name -> 'amount')
    end;
    if v_spent > v_declared then
      v_violations := v_violations || jsonb_build_object(
        'channel', v_name, 'reserved', ledger_private.text_of(v_declared), 'spent', ledger_private.text_of(v_spent)
      );
    end if;
  end loop;
  return v_violations;
end;
$$;
--! EndIncluded rules/violations.sql
--! Included rules/spend_json.sql
-- A usage as answers show it (result.spend): amounts as text, usd null where dollars are unknown and nothing was charged for them.
create or replace function ledger_private.spend_json(p_usage ledger_private.usage)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return jsonb_build_object(
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
--! Included rules/charged_json.sql
-- What an ending charged per channel, for answers: {channel: amount} of a spend as answers show it (ledger_private.spend_json), nothing for zero.
create or replace function ledger_private.charged_json(p_spend jsonb)
returns jsonb
language plpgsql
immutable
parallel safe
as $$
begin
  return jsonb_strip_nulls(
    jsonb_build_object(
      'tokens', nullif(p_spend ->> 'charged_tokens', '0'),
      'iterations', nullif(p_spend ->> 'iterations', '0'),
      'usd', nullif(p_spend ->> 'usd', '0')
    )
    || coalesce((select jsonb_object_agg(r.key, nullif(r.value ->> 'amount', '0')) from jsonb_each(p_spend -> 'resources') r), '{}')
  );
end;
$$;
--! EndIncluded rules/charged_json.sql

-- Journal rows, written up from their parts
--! Included rules/event_for.sql
-- A journal row that one pool's event causes in another: it carries the causing operation and names its source. No usage yet.
create or replace function ledger_private.event_for(
  p_pool ledger_private.pools,
  p_kind text,
  p_source ledger_private.journal,
  p_node_id text
)
returns ledger_private.journal
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.journal;
begin
  v.tenant_id := p_pool.tenant_id;
  v.pool_id := p_pool.pool_id;
  v.run_id := p_pool.run_id;
  v.kind := p_kind;
  v.node_id := p_node_id;
  v.operation_id := p_source.operation_id;
  v.recorded_at := p_source.recorded_at;
  v.recorded_by := p_source.recorded_by;
  v.effective_at := p_source.effective_at;
  v.source_pool_id := p_source.pool_id;
  v.source_seq := p_source.seq;
  return v;
end;
$$;
--! EndIncluded rules/event_for.sql
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
--! Included rules/with_move.sql
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
--! EndIncluded rules/with_move.sql
--! Included rules/with_ending.sql
-- A journal row with the end of a node written in: outcome, verdict, out_ref, infra, and the node's own tags.
create or replace function ledger_private.with_ending(
  p_event ledger_private.journal,
  p_node ledger_private.nodes,
  p_status text,
  p_operation jsonb
)
returns ledger_private.journal
language plpgsql
immutable
parallel safe
as $$
begin
  p_event.node_id := p_node.node_id;
  p_event.outcome := p_status;
  p_event.verdict := p_operation -> 'verdict';
  p_event.out_ref := p_operation ->> 'out_ref';
  p_event.infra := (p_operation -> 'infra')::boolean;
  p_event.tags := ledger_private.tags_of(p_node.tags, p_operation -> 'tags');
  return p_event;
end;
$$;
--! EndIncluded rules/with_ending.sql
--! Included rules/carried_event.sql
-- The `corrected` row of a parent for what happened late in a child's closed pool: the same usage, on the node that was settled.
create or replace function ledger_private.carried_event(
  p_parent ledger_private.pools,
  p_event ledger_private.journal
)
returns ledger_private.journal
language plpgsql
immutable
parallel safe
as $$
declare
  v ledger_private.journal := ledger_private.event_for(p_parent, 'corrected', p_event, p_event.pool_id);
begin
  v := ledger_private.with_usage(v, ledger_private.usage_in(p_event));
  v.reason := p_event.reason;
  return v;
end;
$$;
--! EndIncluded rules/carried_event.sql
--! Included rules/is_spend_event.sql
-- Whether a journal row booked a spend of its own, so that it can be corrected: metered, or a leaf's ending, also the late one of an expired leaf.
create or replace function ledger_private.is_spend_event(p_event ledger_private.journal)
returns boolean
language sql
immutable
parallel safe
return p_event.source_pool_id is null
  and (p_event.kind in ('metered', 'settled', 'cancelled', 'expired') or (p_event.kind = 'corrected' and p_event.outcome is not null));
--! EndIncluded rules/is_spend_event.sql
--! Included rules/lock_key.sql
-- The advisory lock of a pool. Advisory keys share one name space with the application's own, so ours are hashed with our name; lengths come
-- first, so that no two pairs of tenant and pool read alike.
create or replace function ledger_private.lock_key(p_tenant_id text, p_pool_id text)
returns bigint
language sql
immutable
parallel safe
return hashtextextended('agent-ledger/' || char_length(p_tenant_id)::text || '/' || p_tenant_id || '/' || p_pool_id, 0);
--! EndIncluded rules/lock_key.sql

-- Who may, and how errors are raised
--! Included functions/error_codes.sql
-- The registry of our SQLSTATEs, in the order they are checked: name, and whether a call that got one may be tried again as it is.
create or replace function ledger.error_codes()
returns table (
  "position" integer,
  code text,
  name text,
  whole_call boolean,
  retryable boolean,
  meaning text
)
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
  values
    (1, 'LG006', 'not_serializable', true, false, 'a write outside SERIALIZABLE'),
    (2, 'LG009', 'tenant_forbidden', true, false, 'the login role is not bound to that tenant'),
    (3, 'LG012', 'unknown_tenant', true, false, 'the tenant was never created'),
    (4, 'LG005', 'operation_conflict', false, false, 'same operation_id, other content'),
    (5, 'LG001', 'invalid_operation', false, false, 'malformed: path and rule'),
    (6, 'LG002', 'unknown_pool', false, false, 'no pool by that id in this tenant'),
    (7, 'LG003', 'unknown_node', false, false, 'no node by that id in this tenant'),
    (8, 'LG011', 'already_exists', false, false, 'a pool or node of that id exists'),
    (9, 'LG004', 'already_settled', false, false, 'second terminal event of a node'),
    (10, 'LG007', 'open_holds', false, false, 'close or settle over open holds'),
    (11, 'LG008', 'batch_rejected', true, false, 'an atomic batch met a refusal or an error'),
    (12, 'LG010', 'empty_experiment', true, false, 'a verdict over no arm'),
    (13, '40001', 'serialization_failure', true, true, 'another transaction won: run the whole transaction again'),
    (14, '40P01', 'deadlock_detected', true, true, 'run the whole transaction again'),
    (15, '55P03', 'lock_not_available', true, true, 'a lock was not had in time: try again later')
$$;
comment on function ledger.error_codes() is 'SQLSTATEs of the ledger in the order they are checked, and which of them may be retried.';
revoke all on function ledger.error_codes() from public;
grant execute on function ledger.error_codes() to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded functions/error_codes.sql
--! Included functions/caller_tenant.sql
-- The tenant the caller's login role acts for: its binding, '*' for all tenants (superusers, members of ledger_owner and ledger_admin), null for
-- none. By session_user, which a caller cannot change. Row level security and every function's guard ask here.
create or replace function ledger.caller_tenant()
returns text
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if pg_has_role(session_user, 'ledger_admin', 'usage') or pg_has_role(session_user, 'ledger_owner', 'usage') then
    return '*';
  end if;
  return (select b.tenant_id from ledger_private.role_bindings b where b.role_name = session_user);
end;
$$;
comment on function ledger.caller_tenant() is 'The tenant this login role acts for; * = all, null = none.';
revoke all on function ledger.caller_tenant() from public;
grant execute on function ledger.caller_tenant() to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded functions/caller_tenant.sql
--! Included private/raise_error.sql
-- Raises one of our SQLSTATEs: the message is for people, the facts go to DETAIL as JSON.
create or replace function ledger_private.raise_error(
  p_code text,
  p_detail jsonb,
  p_hint text default null
)
returns void
language plpgsql
as $$
declare
  v_name text;
  v_meaning text;
  v_message text;
  v_detail text;
begin
  select e.name, e.meaning into strict v_name, v_meaning from ledger.error_codes() e where e.code = p_code;
  v_message := concat_ws(': ', v_name, nullif(p_detail ->> 'path', ''), coalesce(p_detail ->> 'rule', v_meaning));
  v_detail := jsonb_build_object('name', v_name) || p_detail;
  if p_hint is null then
    raise exception using errcode = p_code, message = v_message, detail = v_detail;
  end if;
  raise exception using errcode = p_code, message = v_message, detail = v_detail, hint = p_hint;
end;
$$;
--! EndIncluded private/raise_error.sql
--! Included private/assert_tenant.sql
-- LG009 where the caller's login role is not bound to the tenant, then LG012 where the tenant does not exist: in this order, so that a stranger
-- cannot find out which tenants there are.
create or replace function ledger_private.assert_tenant(p_tenant_id text)
returns void
language plpgsql
stable
as $$
declare
  v_mine constant text := ledger.caller_tenant();
begin
  if v_mine is null or (v_mine <> '*' and v_mine is distinct from p_tenant_id) then
    perform ledger_private.raise_error('LG009', jsonb_build_object('role', session_user), 'an administrator binds roles with ledger.bind_role');
  elsif not exists (select from ledger_private.tenants t where t.tenant_id = p_tenant_id) then
    perform ledger_private.raise_error('LG012', jsonb_build_object('tenant_id', p_tenant_id), 'ledger.create_tenant makes it');
  end if;
end;
$$;
--! EndIncluded private/assert_tenant.sql
--! Included private/assert_writable.sql
-- The guard of every write: LG006 outside SERIALIZABLE, then the tenant (LG009, LG012).
create or replace function ledger_private.assert_writable(p_tenant_id text)
returns void
language plpgsql
stable
as $$
begin
  if current_setting('transaction_isolation') <> 'serializable' then
    perform ledger_private.raise_error(
      'LG006', '{}', 'CALL ledger.submit(...), or BEGIN ISOLATION LEVEL SERIALIZABLE'
    );
  end if;
  perform ledger_private.assert_tenant(p_tenant_id);
end;
$$;
--! EndIncluded private/assert_writable.sql
--! Included private/assert_all_ok.sql
-- LG008 at the first answer of an atomic batch that is a refusal (replayed or not) or an error; DETAIL says which.
create or replace function ledger_private.assert_all_ok(p_answers ledger_private.answer[])
returns void
language plpgsql
as $$
declare
  v_detail jsonb;
begin
  select jsonb_build_object('position', a.ordinality - 1, 'status', a.status, 'code', a.code, 'result', coalesce(a.result, '{}'))
  into v_detail
  from unnest(p_answers) with ordinality a
  where a.code is not null
  order by a.ordinality
  limit 1;
  if v_detail is not null then
    perform ledger_private.raise_error('LG008', v_detail);
  end if;
end;
$$;
--! EndIncluded private/assert_all_ok.sql

-- Looking things up by key
--! Included private/find_pool.sql
-- The pool of that id in this tenant, or null.
create or replace function ledger_private.find_pool(p_tenant_id text, p_pool_id text)
returns ledger_private.pools
language plpgsql
stable
as $$
declare
  v_pool ledger_private.pools;
begin
  select * into v_pool from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = p_pool_id;
  return v_pool;
end;
$$;
--! EndIncluded private/find_pool.sql
--! Included private/find_node.sql
-- The node of that id in this tenant, or null.
create or replace function ledger_private.find_node(p_tenant_id text, p_node_id text)
returns ledger_private.nodes
language plpgsql
stable
as $$
declare
  v_node ledger_private.nodes;
begin
  select * into v_node from ledger_private.nodes n where n.tenant_id = p_tenant_id and n.node_id = p_node_id;
  return v_node;
end;
$$;
--! EndIncluded private/find_node.sql
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
  select * into v_event from ledger_private.journal j where j.tenant_id = p_tenant_id and j.pool_id = p_pool_id and j.seq = p_seq;
  return v_event;
end;
$$;
--! EndIncluded private/find_event.sql
--! Included private/owner_lapsed.sql
-- Whether the lease of the node that owns a pool has passed: its own, else that of the nearest driver above that has one, else it has none. What a
-- hold in the pool without a lease of its own goes by.
create or replace function ledger_private.owner_lapsed(
  p_tenant_id text,
  p_pool_id text,
  p_at timestamptz
)
returns boolean
language plpgsql
stable
as $$
declare
  v_node_id text := p_pool_id;
  v_lease_at timestamptz;
begin
  while v_node_id is not null and v_lease_at is null loop
    select n.lease_at, n.parent_node_id into v_lease_at, v_node_id
    from ledger_private.nodes n where n.tenant_id = p_tenant_id and n.node_id = v_node_id;
  end loop;
  return coalesce(v_lease_at <= p_at, false);
end;
$$;
--! EndIncluded private/owner_lapsed.sql
--! Included private/frozen_above.sql
-- Whether the pool or one above it is frozen. The tenant's count spares the walk while nothing is.
create or replace function ledger_private.frozen_above(p_pool ledger_private.pools)
returns boolean
language plpgsql
stable
as $$
declare
  v_pool_id text := p_pool.parent_pool_id;
  v_state text := p_pool.state;
begin
  if v_state <> 'frozen' and (select t.frozen_pools = 0 from ledger_private.tenants t where t.tenant_id = p_pool.tenant_id) then
    return false;
  end if;
  while v_state <> 'frozen' and v_pool_id is not null loop
    select p.state, p.parent_pool_id into v_state, v_pool_id
    from ledger_private.pools p where p.tenant_id = p_pool.tenant_id and p.pool_id = v_pool_id;
  end loop;
  return v_state = 'frozen';
end;
$$;
--! EndIncluded private/frozen_above.sql

-- What a call locks
--! Included private/due_pools.sql
-- The pools of a tenant in which a hold with a lease of its own may have lapsed, the longest overdue first, a thousand at most (each is locked):
-- asked again, expire goes on. Pools below a lapsed driver are reached from its parent's.
create or replace function ledger_private.due_pools(p_tenant_id text, p_at timestamptz)
returns table (pool_id text)
language plpgsql
stable
as $$
begin
  return query
    select h.pool_id from ledger_private.pool_heads h
    where h.tenant_id = p_tenant_id and h.open_holds > 0 and h.next_lease_at <= p_at
    order by h.next_lease_at, h.pool_id
    limit 1000;
end;
$$;
--! EndIncluded private/due_pools.sql
--! Included private/pools_below_lapsed.sql
-- The pools an expire of p_pool_id (null = the whole tenant) can write, and whether the lease of their owner has passed: the one asked (or those
-- where a hold is due), and below lapsed drivers; those in which something has lapsed, the deepest thousand of them (each is locked): asked again,
-- expire goes on above them.
create or replace function ledger_private.pools_below_lapsed(
  p_tenant_id text,
  p_pool_id text,
  p_at timestamptz
)
returns table (
  pool_id text,
  owner_lapsed boolean
)
language plpgsql
stable
as $$
begin
  return query
    with recursive reached as (
      select s.pool_id, ledger_private.owner_lapsed(p_tenant_id, s.pool_id, p_at) as owner_lapsed
      from (
        select d.pool_id from ledger_private.due_pools(p_tenant_id, p_at) d where p_pool_id is null
        union all
        select p_pool_id where p_pool_id is not null
      ) s
      union
      select n.node_id, true
      from reached r
      cross join lateral (
        select n.node_id from ledger_private.nodes n
        where n.tenant_id = p_tenant_id and n.parent_node_id = r.pool_id and n.driver
          and n.ended_at is null and coalesce(n.lease_at <= p_at, r.owner_lapsed)
        offset 0
      ) n
    )
    select r.pool_id, r.owner_lapsed
    from reached r
    cross join lateral (
      select p.depth from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = r.pool_id limit 1
    ) p
    cross join lateral (
      select from ledger_private.nodes n
      where n.tenant_id = p_tenant_id and n.parent_node_id = r.pool_id and n.ended_at is null and coalesce(n.lease_at <= p_at, r.owner_lapsed)
      limit 1
    ) lapsed
    order by p.depth desc, r.pool_id collate "C"
    limit 1000;
end;
$$;
--! EndIncluded private/pools_below_lapsed.sql
--! Included private/pools_looked_up.sql
-- The pools of operations that name none: where a corrected event was booked, and what an expire can reach (due pools, and those below their
-- lapsed drivers).
create or replace function ledger_private.pools_looked_up(p_tenant_id text, p_operations jsonb)
returns text[]
language plpgsql
stable
as $$
declare
  v_now constant timestamptz := clock_timestamp();
begin
  return coalesce(
    (
      select array_agg(distinct l.pool_id)
      from (
        select k.pool_id
        from jsonb_array_elements(p_operations) o (op)
        cross join lateral (
          select b.pool_id from ledger_private.event_booked_by(p_tenant_id, o.op ->> 'of') b
        ) k
        where o.op ->> 'op' = 'correct'
        union all
        select b.pool_id
        from jsonb_array_elements(p_operations) o (op)
        cross join lateral ledger_private.pools_below_lapsed(p_tenant_id, o.op ->> 'pool_id', v_now) b
        where o.op ->> 'op' = 'expire'
      ) l
      where l.pool_id is not null
    ),
    '{}'
  );
end;
$$;
--! EndIncluded private/pools_looked_up.sql
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
begin
  select
    array_agg(distinct n.id) filter (where n.key in ('pool_id', 'parent_pool_id', 'run_id')),
    array_agg(distinct n.id) filter (where n.key = 'node_id' and o.op ->> 'op' <> 'spawn'),
    array_agg(distinct n.id) filter (where o.op ->> 'op' in ('settle', 'cancel', 'close_pool', 'expire'))
  into v_pools, v_nodes, v_ending
  from jsonb_array_elements(p_operations) o (op)
  cross join lateral (
    select e.key, o.op ->> e.key as id from unnest(array['pool_id', 'parent_pool_id', 'run_id', 'node_id']) e (key)
    where jsonb_typeof(o.op) = 'object' and jsonb_typeof(o.op -> e.key) = 'string'
      and (e.key <> 'parent_pool_id' or o.op ->> 'op' = 'open_pool') and (e.key <> 'run_id' or o.op ->> 'op' = 'judge')
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
  if p_operations @? '$[*] ? (@.op == "correct" || @.op == "expire")' then
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
--! Included private/pools_locked.sql
-- The pools that operations lock: those whose balances they move, and their payers. LG001 where the operations are no array, or so many that
-- their locks could use up what all sessions of the server share.
create or replace function ledger_private.pools_locked(p_tenant_id text, p_operations jsonb)
returns text[]
language plpgsql
stable
as $$
declare
  v_named text[];
  v_locked text[];
begin
  if jsonb_typeof(p_operations) is distinct from 'array' then
    perform ledger_private.raise_error('LG001', '{"path": "", "rule": "operations must be an array"}');
  elsif jsonb_array_length(p_operations) > 1000 then
    perform ledger_private.raise_error('LG001', '{"path": "", "rule": "a call takes at most 1000 operations: split it"}');
  end if;
  v_named := ledger_private.pools_named(p_tenant_id, p_operations);
  v_locked := array(
    select unnest(v_named)
    union
    select unnest(p.payers)
    from unnest(v_named) n (pool_id)
    cross join lateral (
      select p.payers from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = n.pool_id limit 1
    ) p
  );
  if cardinality(v_locked) > 3000 and jsonb_array_length(p_operations) > 1 then
    perform ledger_private.raise_error('LG001', '{"path": "", "rule": "a call locks at most 3000 pools: split it"}');
  end if;
  return v_locked;
end;
$$;
--! EndIncluded private/pools_locked.sql
--! Included private/lock_keys.sql
-- The advisory locks of operations, ascending: the one lock order of every writer.
create or replace function ledger_private.lock_keys(p_tenant_id text, p_operations jsonb)
returns bigint[]
language plpgsql
stable
as $$
begin
  return array(
    select distinct ledger_private.lock_key(p_tenant_id, l.pool_id)
    from unnest(ledger_private.pools_locked(p_tenant_id, p_operations)) l (pool_id)
    order by 1
  );
end;
$$;
--! EndIncluded private/lock_keys.sql
--! Included functions/pools_of.sql
-- The pools that operations lock, ascending by lock key: the pools named, those of the nodes named, their payers, and the pools above that book
-- a settlement, close, correction or late spend too. None of these links ever changes; what can (a pool closed meanwhile) is looked at again
-- under the locks.
-- Raises: LG009, LG012, LG001 (not an array).
create or replace function ledger.pools_of(
  p_tenant_id text,
  p_operations jsonb
)
returns table (
  pool_id text,
  lock_key bigint
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
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  return query
    select l.pool_id, ledger_private.lock_key(p_tenant_id, l.pool_id)
    from unnest(ledger_private.pools_locked(p_tenant_id, p_operations)) l (pool_id)
    order by 2, 1;
end;
$$;
comment on function ledger.pools_of(text, jsonb) is 'The pools a batch of operations locks, in lock order, with their advisory keys.';
revoke all on function ledger.pools_of(text, jsonb) from public;
grant execute on function ledger.pools_of(text, jsonb) to ledger_admin, ledger_writer;
--! EndIncluded functions/pools_of.sql

-- Booking: one event, its balances, its journal row, and what it means above
--! Included private/event.sql
-- A journal row as the operation that causes it describes it; usage, moves and seq are filled in later.
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
  v.detail := p_operation -> 'detail';
  return v;
end;
$$;
--! EndIncluded private/metered_event.sql
--! Included private/move_channels.sql
-- Moves channel rows of one pool (ledger_private.moved) and returns them before and after, in the order of the moves. A resource the pool does
-- not have yet gets an uncapped row first: spend is never refused for want of one.
-- One statement that reads and writes row after row: under SERIALIZABLE three rows read on one page before the first is written become a lock of
-- the whole page, and pools that share it would abort each other. Hence nested loops only.
create or replace function ledger_private.move_channels(
  p_pool ledger_private.pools,
  p_moves ledger_private.move[],
  out p_before ledger_private.channels[],
  out p_after ledger_private.channels[]
)
language plpgsql
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_follows constant boolean := p_pool.state = 'closed' and p_pool.parent_pool_id is not null;
begin
  for i in 1 .. cardinality(p_moves) loop
    if p_moves[i].channel not in ('tokens', 'iterations', 'usd') then
      insert into ledger_private.channels (tenant_id, pool_id, channel)
      values (p_pool.tenant_id, p_pool.pool_id, p_moves[i].channel)
      on conflict do nothing;
    end if;
  end loop;
  with written as (
    update ledger_private.channels c
    set total = n.total, free = n.free, reserved = n.reserved, committed = n.committed,
      uncertain = n.uncertain, remainder = n.remainder, unknown = n.unknown, seals = n.seals
    from unnest(p_moves) with ordinality m
    cross join lateral (
      select o from ledger_private.channels o
      where o.tenant_id = p_pool.tenant_id and o.pool_id = p_pool.pool_id and o.channel = m.channel
      limit 1
    ) b (before)
    cross join lateral ledger_private.moved(
      b.before,
      row(m.channel, m.funded, m.held, m.spent, m.uncertain, m.unknown, m.seals, m.draws)::ledger_private.move,
      p_pool.unknown_usd = 'seal', v_follows
    ) n
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id and c.channel = m.channel
    returning m.ordinality, b.before, c as after
  )
  select array_agg(w.before order by w.ordinality), array_agg(w.after order by w.ordinality) into strict p_before, p_after
  from written w;
end;
$$;
--! EndIncluded private/move_channels.sql
--! Included private/pool_channels.sql
-- All channel rows of a pool, in channel order.
create or replace function ledger_private.pool_channels(p_pool ledger_private.pools)
returns ledger_private.channels[]
language plpgsql
stable
as $$
begin
  return (
    select array_agg(c order by ledger_private.channel_order(c.channel))
    from ledger_private.channels c
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id
  );
end;
$$;
--! EndIncluded private/pool_channels.sql
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
    coalesce(sum(j.ms), 0), coalesce(sum(j.uncertain_tokens), 0), coalesce(sum(j.uncertain_iterations), 0), coalesce(sum(j.uncertain_usd), 0)
  into
    v.iterations, v.input_tokens, v.output_tokens, v.cache_read_tokens, v.cache_write_tokens, v.reasoning_tokens, v.charged_tokens, v.usd,
    v.ms, v.uncertain_tokens, v.uncertain_iterations, v.uncertain_usd
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
--! Included private/enter.sql
-- Writes a journal row under the next seq of its pool's head, and what the head counts. Returns the seq.
create or replace function ledger_private.enter(
  p_event ledger_private.journal,
  p_holds integer default 0,
  p_children integer default 0,
  p_ended integer default 0,
  p_lease_at timestamptz default null
)
returns bigint
language plpgsql
as $$
declare
  v_event ledger_private.journal := p_event;
begin
  update ledger_private.pool_heads h
  set seq = h.seq + 1,
    open_holds = h.open_holds + p_holds,
    children = h.children + p_children,
    undelivered = h.undelivered + p_ended,
    next_lease_at = least(h.next_lease_at, p_lease_at)
  where h.tenant_id = v_event.tenant_id and h.pool_id = v_event.pool_id
  returning h.seq into strict v_event.seq;
  insert into ledger_private.journal select v_event.*;
  return v_event.seq;
end;
$$;
--! EndIncluded private/enter.sql
--! Included private/book.sql
-- Books one event on one pool: its channel rows moved, its journal row under the next seq of the head, and a `drawn` row with everybody else who
-- pays a channel for it. Returns the seq; p_before: the rows that moved, as they were, those of payers too.
create or replace function ledger_private.book(
  p_pool ledger_private.pools,
  p_event ledger_private.journal,
  p_moves ledger_private.move[],
  p_holds integer,
  p_children integer,
  p_ended integer,
  p_lease_at timestamptz,
  out p_seq bigint,
  out p_before ledger_private.channels[]
)
language plpgsql
as $$
declare
  v_event ledger_private.journal := p_event;
  v_after ledger_private.channels[];
  v_draws ledger_private.move[] := '{}';
  v_payers text[] := '{}';
begin
  p_before := '{}';
  if cardinality(p_moves) > 0 then
    select m.p_before, m.p_after into p_before, v_after from ledger_private.move_channels(p_pool, p_moves) m;
    for i in 1 .. cardinality(p_moves) loop
      v_event := ledger_private.with_move(
        v_event, p_moves[i], coalesce(v_after[i].total - p_before[i].total, 0), v_after[i].remainder - p_before[i].remainder
      );
      if ledger_private.draws(p_moves[i], p_before[i]) then
        v_draws := v_draws || p_moves[i];
        v_payers := v_payers || p_before[i].payer_pool_id;
      end if;
    end loop;
  end if;
  p_seq := ledger_private.enter(v_event, p_holds, p_children, p_ended, p_lease_at);
  v_event.seq := p_seq;
  if cardinality(v_draws) > 0 then
    p_before := p_before || ledger_private.draw(v_event, v_draws, v_payers);
  end if;
end;
$$;
--! EndIncluded private/book.sql
--! Included private/draw.sql
-- Books what an event spent on channels that other pools pay: one `drawn` row per payer. Balance only; no spend of the payer's owner. Returns the
-- payers' rows as they were.
create or replace function ledger_private.draw(
  p_event ledger_private.journal,
  p_moves ledger_private.move[],
  p_payers text[]
)
returns ledger_private.channels[]
language plpgsql
as $$
declare
  v_payer_id text;
  v_payer ledger_private.pools;
  v_moves ledger_private.move[];
  v_rows ledger_private.channels[];
  v_before ledger_private.channels[] := '{}';
begin
  foreach v_payer_id in array array(select distinct p.id from unnest(p_payers) p (id) order by p.id) loop
    v_payer := ledger_private.find_pool(p_event.tenant_id, v_payer_id);
    v_moves := array(
      select row(m.channel, 0, 0, m.spent, m.uncertain, m.unknown, m.seals, false)::ledger_private.move
      from unnest(p_moves) with ordinality m
      where p_payers[m.ordinality] = v_payer_id
      order by m.ordinality
    );
    select b.p_before into v_rows
    from ledger_private.book(v_payer, ledger_private.event_for(v_payer, 'drawn', p_event, p_event.node_id), v_moves, 0, 0, 0, null) b;
    v_before := v_before || v_rows;
  end loop;
  return v_before;
end;
$$;
--! EndIncluded private/draw.sql
--! Included private/change_of.sql
-- What a closed pool passes up after its rows moved: the moves of its parent. p_before: rows as they were, of this pool and others; what the same
-- event first moved on a row counts (a payer that is closed was drawn on before its turn came).
create or replace function ledger_private.change_of(
  p_pool ledger_private.pools,
  p_before ledger_private.channels[]
)
returns ledger_private.move[]
language plpgsql
stable
as $$
declare
  v_before ledger_private.channels[];
  v_after ledger_private.channels[];
begin
  select array_agg(b.before order by b.n), array_agg(b.after order by b.n) into v_before, v_after
  from (
    select distinct on (o.channel) o.n, o.before, c as after
    from (
      select p_before[i] as before, p_before[i].channel, i as n
      from generate_subscripts(p_before, 1) i
      where p_before[i].pool_id = p_pool.pool_id
    ) o
    cross join lateral (
      select c.* from ledger_private.channels c
      where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id and c.channel = o.channel
      limit 1
    ) c
    order by o.channel, o.n
  ) b;
  return ledger_private.passed_up(p_pool.parent_pool_id, v_after, v_before);
end;
$$;
--! EndIncluded private/change_of.sql
--! Included private/post.sql
-- Books one event (ledger_private.book), and where its pool is closed under a parent, carries late spend and corrections up: each closed pool
-- above, then the first open one (or the top), writes its own `corrected` row on the node it settled there. Returns the seq of the event.
-- p_holds, p_children, p_ended: change of the head's open holds, children ever had, undelivered endings.
create or replace function ledger_private.post(
  p_event ledger_private.journal,
  p_moves ledger_private.move[] default '{}',
  p_holds integer default 0,
  p_children integer default 0,
  p_ended integer default 0,
  p_lease_at timestamptz default null
)
returns bigint
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_event.tenant_id, p_event.pool_id);
  v_child ledger_private.pools;
  v_event ledger_private.journal := p_event;
  v_seq bigint;
  v_rows ledger_private.channels[];
  v_before ledger_private.channels[];
begin
  select b.p_seq, b.p_before into v_seq, v_before
  from ledger_private.book(v_pool, v_event, p_moves, p_holds, p_children, p_ended, p_lease_at) b;
  v_event.seq := v_seq;
  while v_pool.state = 'closed' and v_pool.parent_pool_id is not null and v_event.kind in ('metered', 'corrected') loop
    v_child := v_pool;
    v_pool := ledger_private.find_pool(v_child.tenant_id, v_child.parent_pool_id);
    v_event := ledger_private.carried_event(v_pool, v_event);
    select b.p_seq, b.p_before into v_event.seq, v_rows
    from ledger_private.book(v_pool, v_event, ledger_private.change_of(v_child, v_before), 0, 0, 0, null) b;
    v_before := v_before || v_rows;
  end loop;
  return v_seq;
end;
$$;
--! EndIncluded private/post.sql

-- Reserving: a hold, a node, a pool of its own
--! Included private/hold.sql
-- Takes a budget out of a pool's free (p_sign 1) or puts it back (-1): its ceilings on the channels the pool itself caps. Elsewhere a ceiling
-- holds nothing and still counts. Returns all rows of the pool as they are afterwards, in channel order. It writes before anybody has looked
-- whether there is room: one statement, row after row, as ledger_private.move_channels.
create or replace function ledger_private.hold(
  p_pool ledger_private.pools,
  p_budget jsonb,
  p_sign integer default 1
)
returns ledger_private.channels[]
language plpgsql
as $$
declare
  v_rows ledger_private.channels[];
begin
  with held as (
    update ledger_private.channels c
    set free = c.free - p_sign * coalesce(ledger_private.amount(p_budget -> c.channel), 0),
      reserved = c.reserved + case when c.total is null then 0 else p_sign * coalesce(ledger_private.amount(p_budget -> c.channel), 0) end
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id
    returning c as after
  )
  select array_agg(h.after order by ledger_private.channel_order((h.after).channel)) into strict v_rows from held h;
  return v_rows;
end;
$$;
--! EndIncluded private/hold.sql
--! Included private/payers_of.sql
-- The payer's row of each of a pool's rows: itself, the row of the pool above that caps the channel, or null.
create or replace function ledger_private.payers_of(p_channels ledger_private.channels[])
returns ledger_private.channels[]
language plpgsql
stable
as $$
declare
  v_payers ledger_private.channels[] := p_channels;
begin
  for i in 1 .. cardinality(p_channels) loop
    if p_channels[i].payer_pool_id is distinct from p_channels[i].pool_id then
      v_payers[i] := (
        select q from ledger_private.channels q
        where q.tenant_id = p_channels[i].tenant_id and q.pool_id = p_channels[i].payer_pool_id and q.channel = p_channels[i].channel
      );
    end if;
  end loop;
  return v_payers;
end;
$$;
--! EndIncluded private/payers_of.sql
--! Included private/refusal_of_spawn.sql
-- Why a pool takes no children now, whatever they ask: null, or {code}. Keys are decided elsewhere (ledger_private.keyed), room by
-- ledger_private.refusal_of_budget.
create or replace function ledger_private.refusal_of_spawn(
  p_pool ledger_private.pools,
  p_owns_pool boolean,
  p_at timestamptz
)
returns jsonb
language plpgsql
stable
as $$
begin
  return case
    when p_pool.state = 'closed' then '{"code": "pool-closed"}'::jsonb
    when ledger_private.frozen_above(p_pool) then '{"code": "pool-frozen"}'
    when p_at >= p_pool.deadline_at then '{"code": "deadline-passed"}'
    when p_owns_pool and p_pool.depth_left <= 0 then '{"code": "depth-exceeded"}'
  end;
end;
$$;
--! EndIncluded private/refusal_of_spawn.sql
--! Included private/insert_node.sql
-- Claims a node id (and its key) by inserting the row: true if it is ours. Reads nothing, so strangers' spawns do not conflict.
create or replace function ledger_private.insert_node(p_node ledger_private.nodes)
returns boolean
language plpgsql
as $$
begin
  insert into ledger_private.nodes select p_node.* on conflict do nothing;
  return found;
end;
$$;
--! EndIncluded private/insert_node.sql
--! Included private/keyed.sql
-- What a key says about a spawn that found something in its way: an answer (the child that is done, duplicate-key, key-conflict), or null where
-- no child has that key, or the last one that had it ended otherwise.
create or replace function ledger_private.keyed(p_node ledger_private.nodes)
returns ledger_private.answer
language plpgsql
stable
as $$
declare
  v_other ledger_private.nodes;
begin
  select * into v_other from ledger_private.nodes n
  where n.tenant_id = p_node.tenant_id and n.parent_node_id = p_node.parent_node_id and n.key = p_node.key and not n.superseded;
  return case
    when v_other.node_id is null then null
    when v_other.label <> p_node.label or v_other.budget <> p_node.budget
      then ledger_private.refused(p_node.parent_node_id, '{"code": "key-conflict"}')
    when v_other.status = 'done'
      then ledger_private.ok(p_node.parent_node_id, null, jsonb_build_object('node_id', v_other.node_id, 'existing', true))
    when v_other.ended_at is null then ledger_private.refused(p_node.parent_node_id, '{"code": "duplicate-key"}')
  end;
end;
$$;
--! EndIncluded private/keyed.sql
--! Included private/supersede.sql
-- Frees the key of the last child that had it, so that a new one can be made.
create or replace function ledger_private.supersede(p_node ledger_private.nodes)
returns void
language plpgsql
as $$
begin
  update ledger_private.nodes n set superseded = true
  where n.tenant_id = p_node.tenant_id and n.parent_node_id = p_node.parent_node_id and n.key = p_node.key and not n.superseded;
end;
$$;
--! EndIncluded private/supersede.sql
--! Included private/enter_spawned.sql
-- The `spawned` row of a node that is made and whose hold is taken.
create or replace function ledger_private.enter_spawned(
  p_pool ledger_private.pools,
  p_node ledger_private.nodes,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_event ledger_private.journal := ledger_private.event(p_pool, 'spawned', p_operation, p_at);
  v_move ledger_private.move;
begin
  v_event.node_id := p_node.node_id;
  foreach v_move in array ledger_private.holding(p_node.hold) loop
    v_event := ledger_private.with_move(v_event, v_move, 0, 0);
  end loop;
  return ledger_private.ok(
    p_pool.pool_id, ledger_private.enter(v_event, 1, 1, 0, p_node.lease_at), jsonb_build_object('node_id', p_node.node_id)
  );
end;
$$;
--! EndIncluded private/enter_spawned.sql
--! Included private/reserve.sql
-- Makes a child of a pool and its hold: `spawned`. p_node says who (status, hold and times are set here); p_operation whose row it is, p_path
-- where its budget stands. The answer is ok with node_id, a refusal, LG001 (the budget does not suit the pool) or LG011.
-- The room is taken and the node inserted without looking first (neither reads what strangers write); what stands in the way is looked at only
-- then. A spawn that would be short takes back the room of leaves whose lease has passed and that were never dispatched, and tries again.
create or replace function ledger_private.reserve(
  p_pool ledger_private.pools,
  p_node ledger_private.nodes,
  p_operation jsonb,
  p_path text,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes := p_node;
  v_rows ledger_private.channels[];
  v_misfit jsonb;
  v_refusal jsonb;
  v_answer ledger_private.answer;
begin
  if v_node.node_id is null then
    select p_pool.pool_id || ':s' || h.children into strict v_node.node_id
    from ledger_private.pool_heads h where h.tenant_id = p_pool.tenant_id and h.pool_id = p_pool.pool_id;
    if char_length(v_node.node_id) > 200 then
      return ledger_private.failed('LG001', 'node_id', format('is required: the id derived from %s would be too long', p_pool.pool_id));
    end if;
  end if;
  v_rows := ledger_private.hold(p_pool, v_node.budget);
  v_misfit := ledger_private.misfit_of_budget(v_rows, v_node.budget, p_path);
  if v_misfit is null then
    v_refusal := coalesce(
      ledger_private.refusal_of_spawn(p_pool, v_node.driver, p_at),
      ledger_private.refusal_of_budget(v_rows, ledger_private.payers_of(v_rows), v_node.budget)
    );
    v_node.tags := ledger_private.tags_of(p_pool.tags, p_operation -> 'tags');
    v_node.run_id := coalesce(v_node.run_id, p_pool.run_id);
    v_node.hold := ledger_private.hold_of(v_rows, v_node.budget);
    v_node.spawned_at := p_at;
    if v_refusal is null and v_node.node_id <> p_pool.pool_id and ledger_private.insert_node(v_node) then
      return ledger_private.enter_spawned(p_pool, v_node, p_operation, p_at);
    end if;
  end if;

  perform ledger_private.hold(p_pool, v_node.budget, -1);
  if v_misfit is not null then
    return row('error', 'LG001', v_misfit, null, null)::ledger_private.answer;
  elsif (ledger_private.find_node(p_pool.tenant_id, v_node.node_id)).node_id is not null then
    return ledger_private.failed(
      'LG011', case when p_operation ? 'node_id' then 'node_id' else 'pool_id' end, format('node %s already exists', v_node.node_id)
    );
  end if;
  v_answer := ledger_private.keyed(v_node);
  if v_answer.status is not null then
    return v_answer;
  elsif v_refusal is null then
    perform ledger_private.supersede(v_node);
  elsif v_refusal ->> 'code' <> 'budget-exhausted' or ledger_private.take_back(p_pool, p_operation, p_at) = 0 then
    return ledger_private.refused(p_pool.pool_id, v_refusal);
  end if;
  return ledger_private.reserve(p_pool, p_node, p_operation, p_path, p_at);
end;
$$;
--! EndIncluded private/reserve.sql
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
  v_pool.payers := (
    select array_agg(distinct c.payer_pool_id) from ledger_private.channels c
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.parent_pool_id and c.payer_pool_id is not null
      and not coalesce(p_channels -> c.channel ? 'total', false)
  );
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
--! Included private/insert_run.sql
-- Marks a pool's node as a run.
create or replace function ledger_private.insert_run(
  p_pool ledger_private.pools,
  p_run jsonb,
  p_at timestamptz
)
returns void
language plpgsql
as $$
begin
  if p_run is null then
    return;
  end if;
  insert into ledger_private.runs (tenant_id, run_id, label, experiment, arm, task, replicate, opened_at)
  values (
    p_pool.tenant_id, p_pool.pool_id, p_run ->> 'label', p_run ->> 'experiment', p_run ->> 'arm', p_run ->> 'task',
    case jsonb_typeof(p_run -> 'replicate') when 'number' then trim_scale((p_run -> 'replicate')::numeric)::text else p_run ->> 'replicate' end, p_at
  );
end;
$$;
--! EndIncluded private/insert_run.sql

-- Ending: a leaf, a node that owns a pool, what has lapsed, what turns out otherwise
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
    cache_write_tokens, reasoning_tokens, charged_tokens, usd, ms, uncertain_usd, tokens_known, usd_known, resources
  )
  select
    p_pool.tenant_id, p_pool.pool_id, p_seq, l.position - 1,
    coalesce(l.line ->> 'provider', p_operation ->> 'provider'), coalesce(l.line ->> 'model', p_operation ->> 'model'),
    coalesce(l.line ->> 'provider_request_id', p_operation ->> 'provider_request_id'),
    u.iterations, u.input_tokens, u.output_tokens, u.cache_read_tokens, u.cache_write_tokens, u.reasoning_tokens, u.charged_tokens,
    u.usd, u.ms, u.uncertain_usd, u.tokens_known, u.usd_known, u.resources
  from jsonb_array_elements(p_operation -> 'lines') with ordinality l (line, position)
  cross join lateral ledger_private.usage_of(l.line, p_pool.token_charge) u;
end;
$$;
--! EndIncluded private/insert_lines.sql
--! Included private/end_node.sql
-- Writes how a node ended (ledger_private.ended). A node that was expired and is settled late keeps its terminal row and its place in the order
-- of delivery.
create or replace function ledger_private.end_node(
  p_node ledger_private.nodes,
  p_status text,
  p_terminal_seq bigint,
  p_operation jsonb,
  p_at timestamptz
)
returns void
language plpgsql
as $$
declare
  v constant ledger_private.nodes := ledger_private.ended(p_node, p_status, p_terminal_seq, p_operation, p_at);
begin
  update ledger_private.nodes n
  set status = v.status, terminal_seq = v.terminal_seq, late = v.late, verdict = v.verdict, out_ref = v.out_ref, reason = v.reason,
    infra = v.infra, ended_at = v.ended_at
  where n.tenant_id = v.tenant_id and n.node_id = v.node_id;
end;
$$;
--! EndIncluded private/end_node.sql
--! Included private/end_leaf.sql
-- The terminal row of a leaf (p_status done, down: `settled`; cancelled; expired): hold released, usage committed, node ended. Returns the seq.
create or replace function ledger_private.end_leaf(
  p_pool ledger_private.pools,
  p_node ledger_private.nodes,
  p_status text,
  p_usage ledger_private.usage,
  p_operation jsonb,
  p_at timestamptz
)
returns bigint
language plpgsql
as $$
declare
  v_event ledger_private.journal;
  v_seq bigint;
begin
  v_event := ledger_private.event(p_pool, case when p_status in ('done', 'down') then 'settled' else p_status end, p_operation, p_at);
  v_event := ledger_private.with_usage(ledger_private.with_ending(v_event, p_node, p_status, p_operation), p_usage);
  v_seq := ledger_private.post(v_event, ledger_private.moves_of(p_usage, p_node.hold), -1, 0, 1);
  perform ledger_private.insert_lines(p_pool, v_seq, p_operation);
  perform ledger_private.end_node(p_node, p_status, v_seq, p_operation, p_at);
  return v_seq;
end;
$$;
--! EndIncluded private/end_leaf.sql
--! Included private/giving_back.sql
-- The moves that close a pool under a parent: free of every capped channel goes back, also when negative, so that total = committed. None for a
-- top pool, which keeps its row as it was.
create or replace function ledger_private.giving_back(p_pool ledger_private.pools)
returns ledger_private.move[]
language plpgsql
stable
as $$
begin
  return (
    select array_agg(row(c.channel, -c.free, 0, 0, 0, 0, 0, false)::ledger_private.move order by ledger_private.channel_order(c.channel))
    from ledger_private.channels c
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id and c.free <> 0 and p_pool.parent_pool_id is not null
  );
end;
$$;
--! EndIncluded private/giving_back.sql
--! Included private/set_pool_state.sql
-- Writes the state of a pool, and the tenant's count of frozen pools with it.
create or replace function ledger_private.set_pool_state(p_pool ledger_private.pools, p_state text)
returns void
language plpgsql
as $$
declare
  v_change constant integer := (p_state = 'frozen')::integer - (p_pool.state = 'frozen')::integer;
begin
  update ledger_private.pools p set state = p_state where p.tenant_id = p_pool.tenant_id and p.pool_id = p_pool.pool_id;
  if v_change <> 0 then
    update ledger_private.tenants t set frozen_pools = t.frozen_pools + v_change where t.tenant_id = p_pool.tenant_id;
  end if;
end;
$$;
--! EndIncluded private/set_pool_state.sql
--! Included private/end_run.sql
-- Keeps how a run ended, where the pool is a run's root.
create or replace function ledger_private.end_run(
  p_pool ledger_private.pools,
  p_status text,
  p_operation jsonb
)
returns void
language plpgsql
as $$
begin
  if p_pool.run_id is distinct from p_pool.pool_id then
    return;
  end if;
  update ledger_private.runs r
  set outcome = p_status, verdict = p_operation -> 'verdict', out_ref = p_operation ->> 'out_ref', reason = p_operation ->> 'reason',
    infra = r.infra or coalesce((p_operation -> 'infra')::boolean, false)
  where r.tenant_id = p_pool.tenant_id and r.run_id = p_pool.run_id;
end;
$$;
--! EndIncluded private/end_run.sql
--! Included private/settle_pool.sql
-- Ends a node that owns a pool: `closed` in its pool (what is free of capped channels goes back), then `settled` or `cancelled` in its parent's,
-- which commits exactly what the pool committed. Nothing is stated by the caller: the spend is computed here. A pool without a parent keeps its
-- row as it was. Errors: LG004 already closed, LG007 open holds.
create or replace function ledger_private.settle_pool(
  p_node ledger_private.nodes,
  p_status text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_node.tenant_id, p_node.node_id);
  v_parent ledger_private.pools;
  v_usage ledger_private.usage;
  v_back ledger_private.move[];
  v_rows ledger_private.channels[];
  v_closed ledger_private.journal;
  v_settled ledger_private.journal;
  v_extra jsonb;
begin
  if v_pool.state = 'closed' then
    return ledger_private.failed('LG004', 'node_id', format('node %s has already ended', p_node.node_id));
  elsif (
    select h.open_holds > 0 from ledger_private.pool_heads h where h.tenant_id = v_pool.tenant_id and h.pool_id = v_pool.pool_id
  ) then
    return ledger_private.failed('LG007', 'pool_id', format('pool %s has open holds: settle or cancel its children first', v_pool.pool_id));
  end if;
  v_usage := ledger_private.pool_usage(v_pool.tenant_id, v_pool.pool_id);
  v_closed := ledger_private.with_ending(ledger_private.event(v_pool, 'closed', p_operation, p_at), p_node, p_status, p_operation);
  v_back := ledger_private.giving_back(v_pool);
  v_extra := jsonb_build_object(
    'spend', ledger_private.spend_json(v_usage), 'violations', ledger_private.violations(v_usage, p_node.budget),
    'returned', ledger_private.returned(v_back)
  );
  v_closed.seq := ledger_private.post(v_closed, v_back);
  v_rows := ledger_private.pool_channels(v_pool);
  perform ledger_private.set_pool_state(v_pool, 'closed');
  perform ledger_private.end_run(v_pool, p_status, p_operation);
  if v_pool.parent_pool_id is not null then
    v_parent := ledger_private.find_pool(v_pool.tenant_id, v_pool.parent_pool_id);
    v_settled := ledger_private.event_for(v_parent, case p_status when 'cancelled' then 'cancelled' else 'settled' end, v_closed, p_node.node_id);
    v_settled.reason := v_closed.reason;
    v_settled := ledger_private.with_usage(ledger_private.with_ending(v_settled, p_node, p_status, p_operation), v_usage);
    v_settled.seq := ledger_private.post(v_settled, ledger_private.passed_up(v_parent.pool_id, v_rows, null, p_node.hold), -1, 0, 1);
  end if;
  perform ledger_private.end_node(p_node, p_status, v_settled.seq, p_operation, p_at);
  return case
    when v_parent.pool_id is null then ledger_private.ok(v_pool.pool_id, v_closed.seq, v_extra)
    else ledger_private.ok(v_parent.pool_id, v_settled.seq, v_extra)
  end;
end;
$$;
--! EndIncluded private/settle_pool.sql
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
        select j.resources from ledger_private.journal j
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
    coalesce(sum(j.tokens_unknown), 0), coalesce(sum(j.iterations_unknown), 0), coalesce(sum(j.usd_unknown), 0), coalesce(sum(j.usd_seals), 0)
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
    v.usd_seals + v_more.usd_seals
  )::ledger_private.usage;
end;
$$;
--! EndIncluded private/booked_usage.sql
--! Included private/correct_event.sql
-- Books the difference between what an event booked so far and its true usage: `corrected`, in the same pool, on the same node, told apart from
-- other corrections by corrects_seq. Returns the seq.
create or replace function ledger_private.correct_event(
  p_pool ledger_private.pools,
  p_booked ledger_private.journal,
  p_true ledger_private.usage,
  p_correction ledger_private.journal
)
returns bigint
language plpgsql
as $$
declare
  v_diff ledger_private.usage := ledger_private.usage_diff(p_true, ledger_private.booked_usage(p_booked));
  v_event ledger_private.journal := ledger_private.with_usage(p_correction, v_diff);
begin
  v_event.node_id := p_booked.node_id;
  v_event.corrects_seq := p_booked.seq;
  v_event.provider := coalesce(v_event.provider, p_booked.provider);
  v_event.model := coalesce(v_event.model, p_booked.model);
  v_event.provider_request_id := coalesce(v_event.provider_request_id, p_booked.provider_request_id);
  v_event.purpose := coalesce(v_event.purpose, p_booked.purpose);
  return ledger_private.post(v_event, ledger_private.moves_of(v_diff));
end;
$$;
--! EndIncluded private/correct_event.sql
--! Included private/event_booked_by.sql
-- The event whose spend an operation booked, so that it can be corrected: a metered turn, a leaf's ending (stated, cancelled, or expired as the
-- only leaf), for a late settlement the expiry it made true. Null where the operation booked none of its own, or several.
create or replace function ledger_private.event_booked_by(p_tenant_id text, p_operation_id text)
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
  if v_of.result ? 'expired' then
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
  if not coalesce(ledger_private.is_spend_event(v_event), false) then
    return null;
  elsif v_event.corrects_seq is not null then
    return ledger_private.find_event(p_tenant_id, v_event.pool_id, v_event.corrects_seq);
  end if;
  return v_event;
end;
$$;
--! EndIncluded private/event_booked_by.sql
--! Included private/settle_leaf.sql
-- Ends a leaf as done, down or cancelled with what the operation says it spent; without a spend, with what an unreported leaf is charged.
-- Error: LG004 already ended (an expired leaf may be settled once more, late).
create or replace function ledger_private.settle_leaf(
  p_node ledger_private.nodes,
  p_status text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_node.tenant_id, p_node.parent_node_id);
  v_usage ledger_private.usage;
  v_event ledger_private.journal;
  v_seq bigint;
begin
  if p_node.ended_at is not null and (p_node.status <> 'expired' or p_node.late) then
    return ledger_private.failed('LG004', 'node_id', format('node %s has already ended', p_node.node_id));
  end if;
  v_usage := case
    when p_operation ? 'spend' then ledger_private.usage_of(p_operation -> 'spend', v_pool.token_charge, p_node.budget)
    else ledger_private.unreported_usage(p_node)
  end;
  if p_node.status = 'expired' then
    v_event := ledger_private.with_ending(ledger_private.event(v_pool, 'corrected', p_operation, p_at), p_node, p_status, p_operation);
    v_seq := ledger_private.correct_event(
      v_pool, ledger_private.find_event(p_node.tenant_id, v_pool.pool_id, p_node.terminal_seq), v_usage, v_event
    );
    perform ledger_private.insert_lines(v_pool, v_seq, p_operation);
    perform ledger_private.end_node(p_node, p_status, null, p_operation, p_at);
  else
    v_seq := ledger_private.end_leaf(v_pool, p_node, p_status, v_usage, p_operation, p_at);
  end if;
  return ledger_private.ok(v_pool.pool_id, v_seq, jsonb_build_object(
    'spend', ledger_private.spend_json(v_usage), 'violations', ledger_private.violations(v_usage, p_node.budget)
  ));
end;
$$;
--! EndIncluded private/settle_leaf.sql
--! Included private/settle_node.sql
-- Ends the node an operation names as p_status (done, down, cancelled): a leaf with the spend it states, a node that owns a pool with what its
-- pool booked. Errors: LG003, LG001 (the spend of a leaf is required to settle it, of a driver not allowed), LG004, LG007.
create or replace function ledger_private.settle_node(
  p_tenant_id text,
  p_operation jsonb,
  p_status text,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes := ledger_private.find_node(p_tenant_id, p_operation ->> 'node_id');
  v_answer ledger_private.answer;
begin
  if v_node.node_id is null then
    return ledger_private.failed('LG003', 'node_id', format('there is no node %s', p_operation ->> 'node_id'));
  elsif v_node.driver and p_operation ? 'spend' then
    return ledger_private.failed('LG001', 'spend', 'is computed from the pool of a driver: leave it out');
  elsif not v_node.driver and p_status <> 'cancelled' and not p_operation ? 'spend' then
    return ledger_private.failed('LG001', 'spend', 'is required: what the leaf consumed');
  elsif v_node.driver then
    v_answer := ledger_private.settle_pool(v_node, p_status, p_operation, p_at);
    v_answer.result := v_answer.result - 'returned';
    return v_answer;
  end if;
  return ledger_private.settle_leaf(v_node, p_status, p_operation, p_at);
end;
$$;
--! EndIncluded private/settle_node.sql
--! Included private/expire_leaf.sql
-- Books the expiry of a leaf: dispatched, its declared ceilings are charged as uncertain, since the provider may have billed; else its room goes
-- back. Returns the usage charged.
create or replace function ledger_private.expire_leaf(
  p_pool ledger_private.pools,
  p_node ledger_private.nodes,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.usage
language plpgsql
as $$
declare
  v_usage ledger_private.usage := ledger_private.unreported_usage(p_node);
begin
  perform ledger_private.end_leaf(p_pool, p_node, 'expired', v_usage, jsonb_build_object('reason', 'lease-expired') || p_operation, p_at);
  return v_usage;
end;
$$;
--! EndIncluded private/expire_leaf.sql
--! Included private/lapsed_holds.sql
-- The open holds of a pool whose lease has passed, in order of id: their own, or without one that of the driver that owns the pool
-- (p_owner_lapsed). The head says whether any hold can be due, so nodes are searched only then.
create or replace function ledger_private.lapsed_holds(
  p_pool ledger_private.pools,
  p_owner_lapsed boolean,
  p_at timestamptz
)
returns setof ledger_private.nodes
language plpgsql
stable
as $$
begin
  if exists (
    select from ledger_private.pool_heads h
    where h.tenant_id = p_pool.tenant_id and h.pool_id = p_pool.pool_id
      and h.open_holds > 0 and (p_owner_lapsed or h.next_lease_at <= p_at)
  ) then
    return query
      select n.* from ledger_private.nodes n
      where n.tenant_id = p_pool.tenant_id and n.parent_node_id = p_pool.pool_id
        and n.ended_at is null and coalesce(n.lease_at <= p_at, p_owner_lapsed)
      order by n.node_id collate "C";
  end if;
end;
$$;
--! EndIncluded private/lapsed_holds.sql
--! Included private/refresh_lease.sql
-- Tells the head of a pool the earliest lease that is left, where the one it knows has passed and lapsed holds were looked for.
create or replace function ledger_private.refresh_lease(p_pool ledger_private.pools, p_at timestamptz)
returns void
language plpgsql
as $$
begin
  if (
    select h.next_lease_at <= p_at from ledger_private.pool_heads h
    where h.tenant_id = p_pool.tenant_id and h.pool_id = p_pool.pool_id
  ) then
    update ledger_private.pool_heads h
    set next_lease_at = (
      select min(n.lease_at) from ledger_private.nodes n
      where n.tenant_id = p_pool.tenant_id and n.parent_node_id = p_pool.pool_id and n.ended_at is null
    )
    where h.tenant_id = p_pool.tenant_id and h.pool_id = p_pool.pool_id;
  end if;
end;
$$;
--! EndIncluded private/refresh_lease.sql
--! Included private/take_back.sql
-- Ends every leaf of a pool whose lease has passed and that was never dispatched: `expired`, its room goes back to free. Returns how many.
create or replace function ledger_private.take_back(
  p_pool ledger_private.pools,
  p_operation jsonb,
  p_at timestamptz
)
returns integer
language plpgsql
as $$
declare
  v_node ledger_private.nodes;
  v_count integer := 0;
begin
  for v_node in
    select * from ledger_private.lapsed_holds(p_pool, ledger_private.owner_lapsed(p_pool.tenant_id, p_pool.pool_id, p_at), p_at) n
    where not n.driver and n.status = 'pending'
  loop
    perform ledger_private.expire_leaf(p_pool, v_node, jsonb_build_object('operation_id', p_operation -> 'operation_id'), p_at);
    v_count := v_count + 1;
  end loop;
  perform ledger_private.refresh_lease(p_pool, p_at);
  return v_count;
end;
$$;
--! EndIncluded private/take_back.sql
--! Included private/expire_pool.sql
-- Expires every hold of one pool whose lease has passed; what lies below its lapsed drivers was expired before. A lapsed driver is settled `down`
-- with what its pool booked, or left alone while a child of its holds a longer lease. Returns [{node_id, charged}] as booked.
create or replace function ledger_private.expire_pool(
  p_pool ledger_private.pools,
  p_owner_lapsed boolean,
  p_operation jsonb,
  p_at timestamptz
)
returns jsonb
language plpgsql
as $$
declare
  v_node ledger_private.nodes;
  v_answer ledger_private.answer;
  v_spend jsonb;
  v_expired jsonb := '[]';
begin
  for v_node in select * from ledger_private.lapsed_holds(p_pool, p_owner_lapsed, p_at) loop
    if v_node.driver then
      v_answer := ledger_private.settle_pool(v_node, 'down', jsonb_build_object('reason', 'lease-expired') || p_operation, p_at);
      continue when v_answer.status <> 'ok';
      v_spend := v_answer.result -> 'spend';
    else
      v_spend := ledger_private.spend_json(ledger_private.expire_leaf(p_pool, v_node, p_operation, p_at));
    end if;
    v_expired := v_expired || jsonb_build_object('node_id', v_node.node_id, 'charged', ledger_private.charged_json(v_spend));
  end loop;
  perform ledger_private.refresh_lease(p_pool, p_at);
  return v_expired;
end;
$$;
--! EndIncluded private/expire_pool.sql

-- The operations of the protocol
--! Included operations/open_pool.sql
-- open_pool: a conserved budget and the node that owns it. Under a parent its totals are reserved there, as a node of the same id.
-- Errors: LG002 parent, LG001 (what the parent does not allow), LG011. Refusals: as spawn, from the parent.
create or replace function ledger_private.op_open_pool(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_parent ledger_private.pools;
  v_pool ledger_private.pools;
  v_node ledger_private.nodes;
  v_misfit jsonb;
  v_spawned ledger_private.answer;
  v_seq bigint;
begin
  if p_operation ? 'parent_pool_id' then
    v_parent := ledger_private.find_pool(p_tenant_id, p_operation ->> 'parent_pool_id');
    if v_parent.pool_id is null then
      return ledger_private.failed('LG002', 'parent_pool_id', format('there is no pool %s', p_operation ->> 'parent_pool_id'));
    end if;
  end if;
  v_node := ledger_private.new_node(p_tenant_id, p_operation ->> 'pool_id', v_parent.pool_id, p_operation);
  v_node.driver := true;
  v_node.label := coalesce(p_operation -> 'run' ->> 'label', p_operation ->> 'pool_id');
  v_node.budget := case when v_parent.pool_id is not null then ledger_private.totals_of(p_operation -> 'channels') else '{}' end;
  v_node.run_id := case when p_operation ? 'run' then v_node.node_id else v_parent.run_id end;
  v_misfit := ledger_private.misfit_of_open_pool(v_parent, p_operation);
  if v_misfit is not null then
    return row('error', 'LG001', v_misfit, null, null)::ledger_private.answer;
  end if;

  if v_parent.pool_id is null then
    v_node.spawned_at := p_at;
    v_node.tags := ledger_private.tags_of(null, p_operation -> 'tags');
    if not ledger_private.insert_node(v_node) then
      return ledger_private.failed('LG011', 'pool_id', format('node %s already exists', v_node.node_id));
    end if;
  else
    v_spawned := ledger_private.reserve(v_parent, v_node, p_operation, 'channels.', p_at);
    if v_spawned.status <> 'ok' then
      return v_spawned;
    end if;
  end if;
  v_pool := ledger_private.new_pool(v_parent, v_node.node_id, p_operation, p_at);
  v_pool.tenant_id := p_tenant_id;
  v_pool.run_id := v_node.run_id;
  v_seq := ledger_private.open_child(v_pool, p_operation -> 'channels', p_operation, p_at, v_spawned.seq);
  perform ledger_private.insert_run(v_pool, p_operation -> 'run', p_at);
  return ledger_private.ok(v_pool.pool_id, v_seq, jsonb_build_object('node_id', v_pool.pool_id));
end;
$$;
--! EndIncluded operations/open_pool.sql
--! Included operations/fund.sql
-- fund: total and free together; negative takes back what is free, never more. Errors: LG002, LG001 (a child pool, an uncapped channel).
-- Refusals: pool-closed, not-free.
create or replace function ledger_private.op_fund(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_moves ledger_private.move[];
  v_uncapped text;
  v_shortfall jsonb;
  v_event ledger_private.journal;
begin
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  elsif v_pool.parent_pool_id is not null then
    return ledger_private.failed('LG001', 'pool_id', 'is funded by its reservation: only a pool without a parent can be funded');
  end if;
  select
    min(a.key) filter (where c.total is null),
    array_agg(row(a.key, a.amount, 0, 0, 0, 0, 0, false)::ledger_private.move order by ledger_private.channel_order(a.key)),
    jsonb_agg(
      jsonb_build_object('channel', a.key, 'requested', ledger_private.text_of(-a.amount), 'free', ledger_private.text_of(c.free))
      order by ledger_private.channel_order(a.key)
    ) filter (where a.amount < 0 and c.free + a.amount < 0)
  into v_uncapped, v_moves, v_shortfall
  from (select e.key, ledger_private.amount(e.value) as amount from jsonb_each(p_operation -> 'amounts') e) a
  left join ledger_private.channels c on c.tenant_id = p_tenant_id and c.pool_id = v_pool.pool_id and c.channel = a.key;
  if v_uncapped is not null then
    return ledger_private.failed('LG001', 'amounts.' || v_uncapped, 'is not a capped channel of the pool: only a total can be funded');
  elsif v_pool.state = 'closed' then
    return ledger_private.refused(v_pool.pool_id, '{"code": "pool-closed"}');
  elsif v_shortfall is not null then
    return ledger_private.refused(v_pool.pool_id, jsonb_build_object('code', 'not-free', 'shortfall', v_shortfall));
  end if;
  v_event := ledger_private.event(v_pool, 'funded', p_operation, p_at);
  v_event.node_id := v_pool.pool_id;
  return ledger_private.ok(v_pool.pool_id, ledger_private.post(v_event, v_moves));
end;
$$;
--! EndIncluded operations/fund.sql
--! Included operations/spawn.sql
-- spawn: a child of a pool with a hold for its ceilings; a driver gets a pool of its own, funded by exactly its reservation.
-- Errors: LG002, LG001 (budget), LG011. Refusals: all but not-free, in their order.
create or replace function ledger_private.op_spawn(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_node ledger_private.nodes;
  v_answer ledger_private.answer;
begin
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  end if;
  v_node := ledger_private.new_node(p_tenant_id, p_operation ->> 'node_id', v_pool.pool_id, p_operation);
  v_node.lease_at := p_at + (p_operation ->> 'lease_ms')::double precision * interval '1 millisecond';
  v_answer := ledger_private.reserve(v_pool, v_node, p_operation, 'budget.', p_at);
  if v_node.driver and v_answer.status = 'ok' and v_answer.seq is not null then
    perform ledger_private.open_child(
      ledger_private.new_pool(v_pool, v_answer.result ->> 'node_id', jsonb_build_object('tags', p_operation -> 'tags'), p_at),
      ledger_private.channels_of(v_node.budget),
      p_operation, p_at, v_answer.seq
    );
  end if;
  return v_answer;
end;
$$;
--! EndIncluded operations/spawn.sql
--! Included operations/dispatch.sql
-- dispatch: from here the provider may bill. Repeating it is ok. Errors: LG003, LG001 (a root holds nothing), LG004.
create or replace function ledger_private.op_dispatch(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes := ledger_private.find_node(p_tenant_id, p_operation ->> 'node_id');
  v_failed ledger_private.answer := ledger_private.no_open_hold(v_node, p_operation);
  v_event ledger_private.journal;
begin
  if v_failed.status is not null then
    return v_failed;
  elsif v_node.status = 'dispatched' then
    return ledger_private.ok(v_node.parent_node_id, null);
  end if;
  v_event := ledger_private.event(ledger_private.find_pool(p_tenant_id, v_node.parent_node_id), 'dispatched', p_operation, p_at);
  v_event.node_id := v_node.node_id;
  v_event.tags := ledger_private.tags_of(v_node.tags, p_operation -> 'tags');
  update ledger_private.nodes n set status = 'dispatched', dispatched_at = p_at where n.tenant_id = p_tenant_id and n.node_id = v_node.node_id;
  return ledger_private.ok(v_node.parent_node_id, ledger_private.post(v_event));
end;
$$;
--! EndIncluded operations/dispatch.sql
--! Included operations/extend.sql
-- extend: a new lease, from now. Accepted until the expiry is booked. Errors: LG003, LG001 (a root holds nothing), LG004.
create or replace function ledger_private.op_extend(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes := ledger_private.find_node(p_tenant_id, p_operation ->> 'node_id');
  v_failed ledger_private.answer := ledger_private.no_open_hold(v_node, p_operation);
  v_lease_at constant timestamptz := p_at + (p_operation ->> 'lease_ms')::double precision * interval '1 millisecond';
  v_event ledger_private.journal;
begin
  if v_failed.status is not null then
    return v_failed;
  end if;
  v_event := ledger_private.event(ledger_private.find_pool(p_tenant_id, v_node.parent_node_id), 'extended', p_operation, p_at);
  v_event.node_id := v_node.node_id;
  v_event.tags := ledger_private.tags_of(v_node.tags, p_operation -> 'tags');
  v_event.detail := jsonb_build_object('lease_at', v_lease_at);
  update ledger_private.nodes n set lease_at = v_lease_at where n.tenant_id = p_tenant_id and n.node_id = v_node.node_id;
  return ledger_private.ok(v_node.parent_node_id, ledger_private.post(v_event, '{}', 0, 0, 0, v_lease_at));
end;
$$;
--! EndIncluded operations/extend.sql
--! Included operations/settle.sql
-- settle: a leaf ends with the spend it states, the rest of its hold is refunded; above the hold the truth is booked all the same and named in
-- violations. A driver's spend is computed from its pool. An expired leaf's truth is booked as `corrected`, once.
-- Errors: LG003, LG001 (spend of a leaf is required, of a driver not allowed), LG004, LG007.
create or replace function ledger_private.op_settle(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
begin
  return ledger_private.settle_node(p_tenant_id, p_operation, p_operation ->> 'outcome', p_at);
end;
$$;
--! EndIncluded operations/settle.sql
--! Included operations/cancel.sql
-- cancel: as settle; a leaf without spend is refunded if it was never dispatched, else charged as on expiry.
-- Errors: LG003, LG001 (spend of a driver), LG004, LG007.
create or replace function ledger_private.op_cancel(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
begin
  return ledger_private.settle_node(p_tenant_id, p_operation, 'cancelled', p_at);
end;
$$;
--! EndIncluded operations/cancel.sql
--! Included operations/meter.sql
-- meter: a driver's own inference, which already happened: free -> committed, never refused for lack of funds, also late in a closed pool.
-- Errors: LG002.
create or replace function ledger_private.op_meter(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_usage ledger_private.usage;
  v_event ledger_private.journal;
  v_seq bigint;
begin
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  end if;
  v_usage := ledger_private.usage_of(p_operation -> 'spend', v_pool.token_charge);
  v_event := ledger_private.with_usage(ledger_private.metered_event(v_pool, p_operation, p_at), v_usage);
  v_seq := ledger_private.post(v_event, ledger_private.moves_of(v_usage));
  perform ledger_private.insert_lines(v_pool, v_seq, p_operation);
  return ledger_private.ok(v_pool.pool_id, v_seq);
end;
$$;
--! EndIncluded operations/meter.sql
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
  from ledger_private.journal j
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
-- correct: the true spend of an event, named by the operation that booked it (always the first one). The difference is booked, what was
-- uncertain is released, and it goes up through closed pools. Errors: LG001 (`of` booked no single spend of its own).
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
begin
  v_event := ledger_private.event_booked_by(p_tenant_id, p_operation ->> 'of');
  if v_event.seq is null then
    return ledger_private.failed(
      'LG001', 'of', 'must be an operation that booked a spend of its own, of one node, and is still kept; not a correction'
    );
  end if;
  v_pool := ledger_private.find_pool(p_tenant_id, v_event.pool_id);
  if v_event.kind <> 'metered' then
    v_budget := (ledger_private.find_node(p_tenant_id, v_event.node_id)).budget;
  end if;
  return ledger_private.ok(v_pool.pool_id, ledger_private.correct_event(
    v_pool, v_event,
    ledger_private.usage_of(p_operation -> 'spend', v_pool.token_charge, v_budget),
    ledger_private.event(v_pool, 'corrected', p_operation, p_at)
  ));
end;
$$;
--! EndIncluded operations/correct.sql
--! Included operations/expire.sql
-- expire: books the end of every hold whose lease has passed, in one pool and below its lapsed drivers, or in all of the tenant (a thousand due
-- pools a call: while it finds some, ask again). Pool by pool, deepest first, so that a driver ends after all below it. Errors: LG002.
create or replace function ledger_private.op_expire(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_asked ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_reached record;
  v_expired jsonb := '[]';
  v_before bigint;
  v_after bigint;
begin
  if p_operation ? 'pool_id' and v_asked.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  end if;
  select h.seq into v_before from ledger_private.pool_heads h where h.tenant_id = p_tenant_id and h.pool_id = v_asked.pool_id;
  for v_reached in
    select b.pool_id, b.owner_lapsed from ledger_private.pools_below_lapsed(p_tenant_id, v_asked.pool_id, p_at) b
  loop
    v_expired := v_expired || ledger_private.expire_pool(
      ledger_private.find_pool(p_tenant_id, v_reached.pool_id), v_reached.owner_lapsed, p_operation, p_at
    );
  end loop;
  select h.seq into v_after from ledger_private.pool_heads h where h.tenant_id = p_tenant_id and h.pool_id = v_asked.pool_id;
  return ledger_private.ok(v_asked.pool_id, nullif(v_after, v_before), jsonb_build_object('expired', v_expired));
end;
$$;
--! EndIncluded operations/expire.sql
--! Included operations/freeze.sql
-- freeze, thaw: stops new children of the pool and of every pool below, or lets them start again. What runs may end and is booked. Repeating is
-- ok. Errors: LG002. Refusals: pool-closed.
create or replace function ledger_private.op_freeze(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_state constant text := case p_operation ->> 'op' when 'freeze' then 'frozen' else 'open' end;
  v_event ledger_private.journal;
begin
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  elsif v_pool.state = 'closed' then
    return ledger_private.refused(v_pool.pool_id, '{"code": "pool-closed"}');
  elsif v_pool.state = v_state then
    return ledger_private.ok(v_pool.pool_id, null);
  end if;
  perform ledger_private.set_pool_state(v_pool, v_state);
  v_event := ledger_private.event(v_pool, case v_state when 'frozen' then 'frozen' else 'thawed' end, p_operation, p_at);
  v_event.node_id := v_pool.pool_id;
  return ledger_private.ok(v_pool.pool_id, ledger_private.post(v_event));
end;
$$;
--! EndIncluded operations/freeze.sql
--! Included operations/close_pool.sql
-- close_pool: a pool without open holds ends. Under a parent it is the settlement of its node, outcome done.
-- Errors: LG002, LG004, LG007.
create or replace function ledger_private.op_close_pool(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes := ledger_private.find_node(p_tenant_id, p_operation ->> 'pool_id');
  v_answer ledger_private.answer;
begin
  if v_node.node_id is null or not v_node.driver then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  end if;
  v_answer := ledger_private.settle_pool(v_node, 'done', p_operation, p_at);
  v_answer.result := case v_answer.status
    when 'ok' then jsonb_build_object('returned', v_answer.result -> 'returned')
    else v_answer.result || '{"path": "pool_id"}'
  end;
  return v_answer;
end;
$$;
--! EndIncluded operations/close_pool.sql
--! Included operations/judge.sql
-- judge: what a run was worth; the last judgement counts. Errors: LG003, LG001 (the node is no run).
create or replace function ledger_private.op_judge(
  p_tenant_id text,
  p_operation jsonb,
  p_at timestamptz
)
returns ledger_private.answer
language plpgsql
as $$
declare
  v_node ledger_private.nodes := ledger_private.find_node(p_tenant_id, p_operation ->> 'run_id');
  v_event ledger_private.journal;
begin
  if v_node.node_id is null then
    return ledger_private.failed('LG003', 'run_id', format('there is no node %s', p_operation ->> 'run_id'));
  elsif v_node.run_id is distinct from v_node.node_id then
    return ledger_private.failed('LG001', 'run_id', format('node %s is not a run', v_node.node_id));
  end if;
  update ledger_private.runs r
  set resolved = (p_operation -> 'resolved')::boolean, score = (p_operation -> 'score')::numeric,
    infra = coalesce((p_operation -> 'infra')::boolean, false), judged_at = p_at
  where r.tenant_id = p_tenant_id and r.run_id = v_node.run_id;
  v_event := ledger_private.event(ledger_private.find_pool(p_tenant_id, v_node.node_id), 'judged', p_operation, p_at);
  v_event.node_id := v_node.node_id;
  v_event.infra := (p_operation -> 'infra')::boolean;
  v_event.detail := jsonb_strip_nulls(jsonb_build_object('resolved', p_operation -> 'resolved', 'score', p_operation -> 'score'));
  return ledger_private.ok(v_node.node_id, ledger_private.post(v_event));
end;
$$;
--! EndIncluded operations/judge.sql

-- The batch: claim, one by one or folded, keep
--! Included private/perform.sql
-- One operation, the plain way: its rules, then few statements by key. Writes nothing where the answer is refused or an error (a spawn's refusal
-- may still have taken back lapsed room). Idempotency is the caller's business (ledger_private.apply_batch).
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
begin
  if v_misfit is not null then
    return row('error', 'LG001', v_misfit, null, null)::ledger_private.answer;
  end if;
  case p_operation ->> 'op'
    when 'meter' then return ledger_private.op_meter(p_tenant_id, p_operation, p_at);
    when 'spawn' then return ledger_private.op_spawn(p_tenant_id, p_operation, p_at);
    when 'settle' then return ledger_private.op_settle(p_tenant_id, p_operation, p_at);
    when 'dispatch' then return ledger_private.op_dispatch(p_tenant_id, p_operation, p_at);
    when 'extend' then return ledger_private.op_extend(p_tenant_id, p_operation, p_at);
    when 'cancel' then return ledger_private.op_cancel(p_tenant_id, p_operation, p_at);
    when 'deliver' then return ledger_private.op_deliver(p_tenant_id, p_operation, p_at);
    when 'open_pool' then return ledger_private.op_open_pool(p_tenant_id, p_operation, p_at);
    when 'close_pool' then return ledger_private.op_close_pool(p_tenant_id, p_operation, p_at);
    when 'correct' then return ledger_private.op_correct(p_tenant_id, p_operation, p_at);
    when 'fund' then return ledger_private.op_fund(p_tenant_id, p_operation, p_at);
    when 'expire' then return ledger_private.op_expire(p_tenant_id, p_operation, p_at);
    when 'freeze', 'thaw' then return ledger_private.op_freeze(p_tenant_id, p_operation, p_at);
    when 'judge' then return ledger_private.op_judge(p_tenant_id, p_operation, p_at);
  end case;
end;
$$;
--! EndIncluded private/perform.sql
--! Included private/claim.sql
-- Claims operation ids for this call by inserting them, which reads nothing: for each operation the place of its row, null where the id is
-- taken (by an earlier call, or earlier in this one) or is no id. The place is a ctid, so that writing the answer later does not search the
-- index either: a search would lock the page that strangers insert their own ids into.
create or replace function ledger_private.claim(
  p_tenant_id text,
  p_operations jsonb[],
  p_at timestamptz
)
returns tid[]
language plpgsql
as $$
declare
  v_places tid[];
  v_place tid;
begin
  if cardinality(p_operations) = 1 then
    insert into ledger_private.operations (tenant_id, operation_id, digest, at)
    select p_tenant_id, p_operations[1] ->> 'operation_id', ledger_private.digest_of(p_operations[1]), p_at
    where ledger_private.fits('id', p_operations[1] -> 'operation_id')
    on conflict do nothing
    returning ctid into v_place;
    return array[v_place];
  end if;
  with asked as (
    select o.operation ->> 'operation_id' as operation_id, min(o.n) as n
    from unnest(p_operations) with ordinality o (operation, n)
    where ledger_private.fits('id', o.operation -> 'operation_id')
    group by 1
  ),
  claimed as (
    insert into ledger_private.operations (tenant_id, operation_id, digest, at)
    select p_tenant_id, a.operation_id, ledger_private.digest_of(p_operations[a.n]), p_at from asked a
    order by a.operation_id
    on conflict do nothing
    returning operation_id, ctid as place
  )
  select array_agg(c.place order by o.n) into v_places
  from unnest(p_operations) with ordinality o (operation, n)
  left join asked a on a.n = o.n
  left join claimed c on c.operation_id = a.operation_id;
  return v_places;
end;
$$;
--! EndIncluded private/claim.sql
--! Included private/keep.sql
-- Keeps the answers of claimed operations at their places; an error is not kept, so that the same id may come again.
create or replace function ledger_private.keep(
  p_operations jsonb[],
  p_places tid[],
  p_answers ledger_private.answer[]
)
returns void
language plpgsql
as $$
begin
  update ledger_private.operations k
  set code = a.code, pool_id = a.pool_id, seq = a.seq, result = a.result,
    label = case when a.code is not null then coalesce(p_operations[a.ordinality] ->> 'label', p_operations[a.ordinality] #>> '{run,label}') end
  from unnest(p_answers) with ordinality a
  where k.ctid = p_places[a.ordinality] and a.status in ('ok', 'refused');
  for i in 1 .. cardinality(p_answers) loop
    if p_answers[i].status = 'error' and p_places[i] is not null then
      delete from ledger_private.operations k where k.ctid = p_places[i];
    end if;
  end loop;
end;
$$;
--! EndIncluded private/keep.sql
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
  return row('replayed', v_kept.code, v_kept.result, v_kept.pool_id, v_kept.seq)::ledger_private.answer;
end;
$$;
--! EndIncluded private/replay.sql
--! Included private/insert_nodes.sql
-- Claims the ids of new nodes by inserting them: null if all are ours, else the position of the first that is not, and none is inserted.
create or replace function ledger_private.insert_nodes(p_nodes ledger_private.nodes[])
returns integer
language plpgsql
as $$
declare
  v_ids text[];
  v_places tid[];
  v_conflict integer;
begin
  if coalesce(cardinality(p_nodes), 0) = 0 then
    return null;
  end if;
  with inserted as (
    insert into ledger_private.nodes select n.* from unnest(p_nodes) n on conflict do nothing
    returning node_id, ctid as place
  )
  select array_agg(i.node_id), array_agg(i.place) into v_ids, v_places from inserted i;
  if coalesce(cardinality(v_ids), 0) = cardinality(p_nodes) then
    return null;
  end if;
  delete from ledger_private.nodes n using unnest(v_places) p (place) where n.ctid = p.place;
  for i in 1 .. cardinality(p_nodes) loop
    v_conflict := i;
    exit when p_nodes[i].node_id <> all (coalesce(v_ids, '{}'));
  end loop;
  return v_conflict;
end;
$$;
--! EndIncluded private/insert_nodes.sql
--! Included private/load_nodes.sql
-- The nodes of those ids that exist in this tenant.
create or replace function ledger_private.load_nodes(p_tenant_id text, p_node_ids text[])
returns ledger_private.nodes[]
language plpgsql
stable
as $$
begin
  return array(
    select n
    from unnest(p_node_ids) i (node_id)
    cross join lateral (
      select n.* from ledger_private.nodes n where n.tenant_id = p_tenant_id and n.node_id = i.node_id limit 1
    ) n
  );
end;
$$;
--! EndIncluded private/load_nodes.sql
--! Included private/load_pools.sql
-- The pools of those ids that exist in this tenant, those that pay for them, their heads and their rows: what a fold works on. Heads and rows
-- are read by writing them as they are, row after row, for the reason given in ledger_private.move_channels.
create or replace function ledger_private.load_pools(
  p_tenant_id text,
  p_pool_ids text[],
  out p_pools ledger_private.pools[],
  out p_heads ledger_private.pool_heads[],
  out p_rows ledger_private.channels[]
)
language plpgsql
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  p_pools := array(
    select p
    from (
      select unnest(p_pool_ids) as pool_id
      union
      select unnest(p.payers)
      from unnest(p_pool_ids) i (pool_id)
      cross join lateral (
        select p.payers from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = i.pool_id limit 1
      ) p
    ) i
    cross join lateral (
      select p.* from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = i.pool_id limit 1
    ) p
    order by p.pool_id
  );
  with touched as (
    update ledger_private.pool_heads h set seq = h.seq
    from unnest(p_pools) p
    where h.tenant_id = p_tenant_id and h.pool_id = p.pool_id
    returning h as head
  )
  select array_agg(t.head order by (t.head).pool_id) into p_heads from touched t;
  with touched as (
    update ledger_private.channels c set reserved = c.reserved
    from unnest(p_pools) p
    where c.tenant_id = p_tenant_id and c.pool_id = p.pool_id
    returning c as row
  )
  select array_agg(t.row order by (t.row).pool_id, ledger_private.channel_order((t.row).channel)) into p_rows from touched t;
end;
$$;
--! EndIncluded private/load_pools.sql
--! Included private/store_fold.sql
-- Writes what a fold worked out, each row once: heads, rows, nodes that changed, journal. (New nodes are inserted before, by the fold.)
create or replace function ledger_private.store_fold(
  p_heads ledger_private.pool_heads[],
  p_rows ledger_private.channels[],
  p_nodes ledger_private.nodes[],
  p_events ledger_private.journal[]
)
returns void
language plpgsql
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
  update ledger_private.pool_heads h
  set seq = n.seq, open_holds = n.open_holds, children = n.children, undelivered = n.undelivered, next_lease_at = n.next_lease_at
  from unnest(p_heads) n
  where h.tenant_id = n.tenant_id and h.pool_id = n.pool_id and h.seq <> n.seq;

  update ledger_private.channels c
  set total = n.total, free = n.free, reserved = n.reserved, committed = n.committed,
    uncertain = n.uncertain, remainder = n.remainder, unknown = n.unknown, seals = n.seals
  from unnest(p_rows) n
  where c.tenant_id = n.tenant_id and c.pool_id = n.pool_id and c.channel = n.channel
    and (c.reserved, c.committed, c.uncertain, c.remainder, c.unknown, c.seals)
      is distinct from (n.reserved, n.committed, n.uncertain, n.remainder, n.unknown, n.seals);

  update ledger_private.nodes k
  set status = n.status, terminal_seq = n.terminal_seq, verdict = n.verdict, out_ref = n.out_ref, reason = n.reason, infra = n.infra,
    dispatched_at = n.dispatched_at, ended_at = n.ended_at
  from unnest(p_nodes) n
  where k.tenant_id = n.tenant_id and k.node_id = n.node_id and k.status <> n.status;

  insert into ledger_private.journal select e.* from unnest(p_events) e;
end;
$$;
--! EndIncluded private/store_fold.sql
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
--! Included private/apply_batch.sql
-- Operations in order, as fast as they can be: one alone takes the plain path; in a batch, runs of common operations are folded and the rest
-- take the plain path between them. An id that is taken is answered from what is kept, after everything before it in the batch was kept too.
-- So is a `correct`, whose `of` may stand before it. A fold that keeps stopping is not worth its loading: then the rest goes the plain way.
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
  v_places tid[] := ledger_private.claim(p_tenant_id, p_operations, p_at);
  v_answers ledger_private.answer[] := '{}';
  v_folded ledger_private.answer[];
  v_answer ledger_private.answer;
  v_kept integer := 0;
  v_next integer := 1;
  v_until integer;
  v_stops integer := 0;
begin
  while v_next <= v_size loop
    v_until := v_next;
    while v_until <= v_size and v_stops < 8 and v_places[v_until] is not null and ledger_private.foldable(p_operations[v_until]) loop
      v_until := v_until + 1;
    end loop;
    if v_until - v_next > 1 then
      v_folded := ledger_private.fold(p_tenant_id, p_operations[v_next:v_until - 1], p_at);
      v_answers := v_answers || v_folded;
      v_next := v_next + cardinality(v_folded);
      continue when v_next = v_until;
      v_stops := case when cardinality(v_folded) < v_until - v_next then v_stops + 1 else 0 end;
    end if;

    if v_places[v_next] is null or p_operations[v_next] ->> 'op' = 'correct' then
      perform ledger_private.keep(
        p_operations[v_kept + 1:v_next - 1], v_places[v_kept + 1:v_next - 1], v_answers[v_kept + 1:v_next - 1]
      );
      v_kept := v_next - 1;
    end if;
    v_answer := null;
    if v_places[v_next] is null and ledger_private.fits('id', p_operations[v_next] -> 'operation_id') then
      v_places[v_next] := (ledger_private.claim(p_tenant_id, array[p_operations[v_next]], p_at))[1];
      v_answer := case when v_places[v_next] is null then ledger_private.replay(p_tenant_id, p_operations[v_next]) end;
    end if;
    if v_answer.status is null then
      v_answer := ledger_private.perform(p_tenant_id, p_operations[v_next], p_at);
    end if;
    v_answers := v_answers || v_answer;
    v_next := v_next + 1;
  end loop;
  perform ledger_private.keep(p_operations[v_kept + 1:v_size], v_places[v_kept + 1:v_size], v_answers[v_kept + 1:v_size]);
  return v_answers;
end;
$$;
--! EndIncluded private/apply_batch.sql

-- The public functions
--! Included functions/apply.sql
-- Applies an ordered batch of operations in the caller's serializable transaction: one answer per operation, position from 0. A refused or
-- failed operation changes no balance and stops no other; with p_atomic the first one raises LG008 and everything is rolled back.
-- Locks: the pools of ledger.pools_of, ascending, until the transaction ends.
-- Raises: LG006, LG009, LG012, LG001 (not an array, more than 1000 operations), LG008; 40001 where the transaction
-- began before it held the locks and lost.
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
set enable_seqscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
  v_operations jsonb[];
  v_answers ledger_private.answer[];
  v_at timestamptz;
  v_key bigint;
begin
  perform ledger_private.assert_writable(p_tenant_id);
  foreach v_key in array ledger_private.lock_keys(p_tenant_id, p_operations) loop
    perform pg_advisory_xact_lock(v_key);
  end loop;
  v_operations := array(select e.operation from jsonb_array_elements(p_operations) with ordinality e (operation, n) order by e.n);
  v_at := clock_timestamp();
  v_answers := ledger_private.apply_batch(p_tenant_id, v_operations, v_at);
  if p_atomic then
    perform ledger_private.assert_all_ok(v_answers);
  end if;
  return query
    select
      (a.ordinality - 1)::integer, a.status, a.code,
      case a.status
        when 'error' then a.result
        else jsonb_build_object('pool_id', a.pool_id, 'seq', a.seq) || coalesce(a.result, '{}')
      end
    from unnest(v_answers) with ordinality a
    order by a.ordinality;
end;
$$;
comment on function ledger.apply(text, jsonb, boolean) is 'Applies an ordered batch of operations; one answer per operation.';
revoke all on function ledger.apply(text, jsonb, boolean) from public;
grant execute on function ledger.apply(text, jsonb, boolean) to ledger_admin, ledger_writer;
--! EndIncluded functions/apply.sql
--! Included functions/apply_one.sql
-- Applies one operation in the caller's serializable transaction. Returns {status, code, result}, also for a refusal; raises an error as its
-- SQLSTATE, with path and rule in DETAIL.
-- Locks: as ledger.apply.
-- Raises: LG006, LG009, LG012, then the errors of the operation.
create or replace function ledger.apply_one(
  p_tenant_id text,
  p_operation jsonb
)
returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_answer record;
begin
  select * into strict v_answer from ledger.apply(p_tenant_id, jsonb_build_array(p_operation));
  if v_answer.status = 'error' then
    perform ledger_private.raise_error(v_answer.code, v_answer.result);
  end if;
  return jsonb_build_object('status', v_answer.status, 'code', v_answer.code, 'result', v_answer.result);
end;
$$;
comment on function ledger.apply_one(text, jsonb) is 'Applies one operation; raises an error, returns a refusal.';
revoke all on function ledger.apply_one(text, jsonb) from public;
grant execute on function ledger.apply_one(text, jsonb) to ledger_admin, ledger_writer;
--! EndIncluded functions/apply_one.sql
--! Included functions/submit.sql
-- Applies a batch in a transaction of its own, in one round trip: p_results = [{position, status, code, result}]. What clients use.
-- SERIALIZABLE fails rather than waits when its snapshot is older than the lock, so the locks come first: transaction-level (this is where it
-- waits, and any error frees them), then the same keys session-level (never waits), commit, a new serializable transaction, transaction-level
-- again (never waits; the snapshot is born under the lock), and the session's are given back. From there every error frees everything. A cancel
-- (57014) inside those statements can leave session locks: the client discards that connection.
-- It waits in READ COMMITTED: what a serializable transaction has read while it waits would count against those it waits for. Where a pool was
-- closed meanwhile, more pools above it book: nothing is written yet, so all locks are given back and it starts over.
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
begin
  loop
    commit; -- inside a transaction block this fails, before anything is locked
    set transaction isolation level read committed;
    v_keys := array(select distinct p.lock_key from ledger.pools_of(p_tenant_id, p_operations) p order by 1);
    foreach v_key in array v_keys loop
      perform pg_catalog.pg_advisory_xact_lock(v_key);
    end loop;
    exit when v_keys operator(pg_catalog.@>) array(select p.lock_key from ledger.pools_of(p_tenant_id, p_operations) p);
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
  p_results := (
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(a) order by a.position), '[]')
    from ledger.apply(p_tenant_id, p_operations, coalesce(p_atomic, false)) a
  );
end;
$$;
comment on procedure ledger.submit(text, jsonb, boolean, jsonb) is
  'Applies a batch in its own serializable transaction, locks first, one round trip.';
revoke all on procedure ledger.submit(text, jsonb, boolean, jsonb) from public;
grant execute on procedure ledger.submit(text, jsonb, boolean, jsonb) to ledger_admin, ledger_writer;
--! EndIncluded functions/submit.sql
--! Included functions/create_tenant.sql
-- Makes a tenant; making it again is ok and changes nothing.
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
  end if;
  insert into ledger_private.tenants (tenant_id, settings) values (p_tenant_id, p_settings) on conflict do nothing;
end;
$$;
comment on function ledger.create_tenant(text, jsonb) is 'Makes a tenant; idempotent.';
revoke all on function ledger.create_tenant(text, jsonb) from public;
grant execute on function ledger.create_tenant(text, jsonb) to ledger_admin;
--! EndIncluded functions/create_tenant.sql
--! Included functions/bind_role.sql
-- Binds a login role to the one tenant it acts for ('*' = all); null takes the binding away. What it may do there comes from its membership in
-- ledger_writer or ledger_auditor. For all tenants the role also becomes a member of ledger_all_tenants, whose policy asks for the binding too:
-- roles belong to the cluster, bindings to this database, so the membership stays and opens nothing by itself.
-- Raises: LG001 (no such role), LG012.
create or replace function ledger.bind_role(
  p_role text,
  p_tenant_id text
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (select from pg_catalog.pg_roles r where r.rolname = p_role) then
    perform ledger_private.raise_error(
      'LG001', jsonb_build_object('path', 'p_role', 'rule', format('there is no role %s', coalesce(p_role, 'null')))
    );
  end if;
  if p_tenant_id <> '*' and not exists (select from ledger_private.tenants t where t.tenant_id = p_tenant_id) then
    perform ledger_private.raise_error('LG012', jsonb_build_object('tenant_id', p_tenant_id), 'ledger.create_tenant makes it');
  end if;
  if p_tenant_id = '*' then
    execute format('grant ledger_all_tenants to %I', p_role);
  end if;
  delete from ledger_private.role_bindings b where b.role_name = p_role;
  if p_tenant_id is not null then
    insert into ledger_private.role_bindings (tenant_id, role_name) values (p_tenant_id, p_role);
  end if;
end;
$$;
comment on function ledger.bind_role(text, text) is 'Binds a login role to one tenant, or to all (*).';
revoke all on function ledger.bind_role(text, text) from public;
grant execute on function ledger.bind_role(text, text) to ledger_admin;
--! EndIncluded functions/bind_role.sql
--! Included functions/put_blob.sql
-- Stores an artifact under the digest of its bytes and returns that: sha256:<hex>. Storing it again is ok.
-- Raises: LG009, LG012, LG001 (null).
create or replace function ledger.put_blob(
  p_tenant_id text,
  p_body bytea
)
returns text
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_blob_id constant text := 'sha256:' || encode(sha256(p_body), 'hex');
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  if p_body is null then
    perform ledger_private.raise_error('LG001', '{"path": "p_body", "rule": "is required"}');
  end if;
  insert into ledger_private.blobs (tenant_id, blob_id, body) values (p_tenant_id, v_blob_id, p_body) on conflict do nothing;
  return v_blob_id;
end;
$$;
comment on function ledger.put_blob(text, bytea) is 'Stores an artifact by content; returns sha256:<hex>.';
revoke all on function ledger.put_blob(text, bytea) from public;
grant execute on function ledger.put_blob(text, bytea) to ledger_admin, ledger_writer;
--! EndIncluded functions/put_blob.sql

-- Append-only, and who sees what
--! Included triggers/journal__append_only.sql
-- Journal rows stay as they were written: no update, delete or truncate, also for the owner.
create or replace function ledger_private.tg_journal__append_only()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception using
    errcode = 'restrict_violation',
    constraint = 'journal_append_only',
    table = tg_table_name,
    schema = tg_table_schema,
    message = format('the journal is append-only: %s is not allowed', lower(tg_op)),
    hint = 'book the difference with a correct operation';
end;
$$;

create or replace trigger journal_append_only
before update or delete on ledger_private.journal
for each row execute function ledger_private.tg_journal__append_only();

create or replace trigger journal_no_truncate
before truncate on ledger_private.journal
for each statement execute function ledger_private.tg_journal__append_only();

create or replace trigger usage_lines_append_only
before update or delete on ledger_private.usage_lines
for each row execute function ledger_private.tg_journal__append_only();

create or replace trigger usage_lines_no_truncate
before truncate on ledger_private.usage_lines
for each statement execute function ledger_private.tg_journal__append_only();
--! EndIncluded triggers/journal__append_only.sql
--! Included policies.sql
-- Row level security, forced on every table: one policy for the owner, one for readers of one tenant, one for readers of all. Readers have
-- SELECT on the tables and no USAGE on their schema, so they reach them through views only.
-- Policies of one role are or-ed, and an `or` is no index condition: rows of other tenants would be read before they are filtered, which shows in
-- plans and times. So reader_all is for the roles that need it, and everybody else has one equality on the leading column.
do $$
declare
  v_table text;
begin
  foreach v_table in array array[
    'tenants', 'pools', 'pool_heads', 'channels', 'nodes', 'runs', 'journal', 'usage_lines', 'operations', 'blobs'
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
      'using (tenant_id = ledger.caller_tenant())', v_table
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

-- The public views
--! Included views/pools.sql
-- Budgets: what seldom changes. depth_left and deadline_at are the strictest of the pool and all above it.
create or replace view ledger.pools
with (security_invoker = true)
as
select
  p.tenant_id, p.pool_id, p.parent_pool_id, p.run_id, p.state, p.deadline_at, p.unknown_usd, p.token_charge,
  p.depth, p.depth_left, p.tags, p.opened_at
from ledger_private.pools p;
comment on view ledger.pools is 'Budgets: parent, run, state, limits and charge unit.';
revoke all on ledger.pools from public;
grant select on ledger.pools to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/pools.sql
--! Included views/channels.sql
-- Balances now. sealed: an unknown event closed the dollars; measured: every usage on the channel is known.
create or replace view ledger.channels
with (security_invoker = true)
as
select
  c.tenant_id, c.pool_id, c.channel, c.unit, c.total is not null as capped,
  trim_scale(c.total) as total, trim_scale(c.free) as free, trim_scale(c.reserved) as reserved,
  trim_scale(c.committed) as committed, trim_scale(c.uncertain) as uncertain,
  c.unknown = 0 as measured, c.seals > 0 as sealed, c.payer_pool_id
from ledger_private.channels c;
comment on view ledger.channels is 'Balances now: total = free + reserved + committed where capped.';
revoke all on ledger.channels from public;
grant select on ledger.channels to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/channels.sql
--! Included views/pool_heads.sql
-- What has moved: seq of the last journal row of each pool, and what is open in it.
create or replace view ledger.pool_heads
with (security_invoker = true)
as
select h.tenant_id, h.pool_id, h.seq, h.open_holds, h.undelivered, h.next_lease_at
from ledger_private.pool_heads h;
comment on view ledger.pool_heads is 'The last seq of each pool: what has moved.';
revoke all on ledger.pool_heads from public;
grant select on ledger.pool_heads to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/pool_heads.sql
--! Included views/runs.sql
-- Runs: where they stand in an experiment, how they ended, how they were judged.
create or replace view ledger.runs
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, r.label, r.experiment, r.arm, r.task, r.replicate, r.outcome, r.verdict, r.out_ref, r.reason, r.infra,
  r.resolved, r.score, r.opened_at, r.judged_at
from ledger_private.runs r;
comment on view ledger.runs is 'Runs: label, experiment, outcome, judgement.';
revoke all on ledger.runs from public;
grant select on ledger.runs to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/runs.sql
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
  j.source_pool_id, j.source_seq, j.effective_at, j.recorded_at, j.recorded_by, j.corrects_seq, j.infra
from ledger_private.journal j;
comment on view ledger.journal is 'Every event, append-only, dense seq per pool.';
revoke all on ledger.journal from public;
grant select on ledger.journal to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/journal.sql
--! Included views/postings.sql
-- The journal unpivoted: what each event added to total, reserved, committed and uncertain of one channel. Sums give any balance.
create or replace view ledger.postings
with (security_invoker = true)
as
select
  j.tenant_id, j.pool_id, j.seq, j.kind, j.operation_id, j.run_id, j.node_id, m.channel,
  trim_scale(m.funded) as funded, trim_scale(m.held) as held, trim_scale(m.spent) as spent, trim_scale(m.uncertain) as uncertain,
  j.effective_at, j.recorded_at
from ledger_private.journal j
cross join lateral (
  select
    'tokens' as channel, coalesce(j.tokens_funded, 0) as funded, coalesce(j.tokens_held, 0) as held,
    coalesce(j.tokens_spent, 0) as spent, coalesce(j.tokens_uncertain, 0) as uncertain
  union all
  select
    'iterations', coalesce(j.iterations_funded, 0), coalesce(j.iterations_held, 0),
    coalesce(j.iterations_spent, 0), coalesce(j.iterations_uncertain, 0)
  union all
  select
    'usd', coalesce(j.usd_funded, 0), coalesce(j.usd_held, 0),
    coalesce(j.usd_spent, 0) + coalesce(j.usd_remainder, 0), coalesce(j.usd_uncertain, 0) + coalesce(j.usd_remainder, 0)
  union all
  select
    r.key, coalesce((r.value -> 'funded')::numeric, 0), coalesce((r.value -> 'held')::numeric, 0),
    coalesce((r.value -> 'spent')::numeric, 0), coalesce((r.value -> 'uncertain')::numeric, 0)
  from jsonb_each(j.resource_moves) r
) m
where m.funded <> 0 or m.held <> 0 or m.spent <> 0 or m.uncertain <> 0;
comment on view ledger.postings is 'What each event did to each channel: sums give any balance at any seq or time.';
revoke all on ledger.postings from public;
grant select on ledger.postings to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/postings.sql
--! Included views/usage_lines.sql
-- One row per usage line; an event without lines is its own line, and what lines leave unexplained (a ceiling charged, a correction) is one
-- more, line null. Transfers and `drawn` rows are no usage.
create or replace view ledger.usage_lines
with (security_invoker = true)
as
select
  l.tenant_id, l.pool_id, l.seq, l.line, j.run_id, j.node_id, j.kind, j.operation_id, l.provider, l.model, l.provider_request_id, j.purpose, j.tags,
  l.iterations, l.input_tokens, l.output_tokens, l.cache_read_tokens, l.cache_write_tokens, l.reasoning_tokens, l.charged_tokens,
  trim_scale(l.usd) as usd, l.ms, 0::numeric as uncertain_tokens, 0::numeric as uncertain_iterations, trim_scale(l.uncertain_usd) as uncertain_usd,
  l.tokens_known, l.usd_known, l.resources, j.effective_at, j.recorded_at
from ledger_private.usage_lines l
join ledger_private.journal j on j.tenant_id = l.tenant_id and j.pool_id = l.pool_id and j.seq = l.seq
union all
select
  j.tenant_id, j.pool_id, j.seq, null, j.run_id, j.node_id, j.kind, j.operation_id, j.provider, j.model, j.provider_request_id, j.purpose, j.tags,
  coalesce(j.iterations, 0) - l.iterations, coalesce(j.input_tokens, 0) - l.input_tokens, coalesce(j.output_tokens, 0) - l.output_tokens,
  coalesce(j.cache_read_tokens, 0) - l.cache_read_tokens, coalesce(j.cache_write_tokens, 0) - l.cache_write_tokens,
  coalesce(j.reasoning_tokens, 0) - l.reasoning_tokens, coalesce(j.charged_tokens, 0) - l.charged_tokens,
  trim_scale(case when l.lines = 0 then j.usd else coalesce(j.usd, 0) - l.usd end), coalesce(j.ms, 0) - l.ms,
  coalesce(j.uncertain_tokens, 0), coalesce(j.uncertain_iterations, 0), trim_scale(coalesce(j.uncertain_usd, 0) - l.uncertain_usd),
  j.tokens_known, j.usd_known, r.resources, j.effective_at, j.recorded_at
from ledger_private.journal j
cross join lateral (
  select
    count(*) as lines, coalesce(sum(l.iterations), 0) as iterations, coalesce(sum(l.input_tokens), 0) as input_tokens,
    coalesce(sum(l.output_tokens), 0) as output_tokens, coalesce(sum(l.cache_read_tokens), 0) as cache_read_tokens,
    coalesce(sum(l.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(l.reasoning_tokens), 0) as reasoning_tokens,
    coalesce(sum(l.charged_tokens), 0) as charged_tokens, coalesce(sum(l.usd), 0) as usd, coalesce(sum(l.ms), 0) as ms,
    coalesce(sum(l.uncertain_usd), 0) as uncertain_usd
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
where j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
  and (
    l.lines = 0
    or (
      coalesce(j.iterations, 0), coalesce(j.input_tokens, 0), coalesce(j.output_tokens, 0), coalesce(j.charged_tokens, 0),
      coalesce(j.cache_read_tokens, 0), coalesce(j.cache_write_tokens, 0), coalesce(j.reasoning_tokens, 0), coalesce(j.usd, 0), coalesce(j.ms, 0),
      coalesce(j.uncertain_usd, 0), coalesce(j.uncertain_tokens, 0), coalesce(j.uncertain_iterations, 0)
    ) is distinct from (
      l.iterations, l.input_tokens, l.output_tokens, l.charged_tokens, l.cache_read_tokens, l.cache_write_tokens, l.reasoning_tokens, l.usd, l.ms,
      l.uncertain_usd, 0, 0
    )
    or r.resources is not null
  );
comment on view ledger.usage_lines is 'What prices and attribution read: one row per line, or per event without lines.';
revoke all on ledger.usage_lines from public;
grant select on ledger.usage_lines to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/usage_lines.sql
--! Included views/nodes.sql
-- The tree: every agent, worker or request with its hold, lease, place in delivery and end. lapsed: the lease (its own, else that of the
-- nearest driver above) has passed and its end is not booked yet.
create or replace view ledger.nodes
with (security_invoker = true)
as
select
  n.tenant_id, n.node_id, n.parent_node_id, n.run_id, n.driver, n.label, n.runtime, n.key, n.status,
  n.budget, n.hold, coalesce(n.lease_at, i.lease_at) as lease_at,
  n.ended_at is null and coalesce(coalesce(n.lease_at, i.lease_at) <= statement_timestamp(), false) as lapsed,
  n.cursor, case when n.ended_at is not null then n.status end as outcome, n.verdict, n.out_ref, n.reason, n.infra, n.tags,
  n.spawned_at, n.dispatched_at, n.ended_at
from ledger_private.nodes n
left join lateral (
  with recursive above as (
    select p.parent_node_id, p.lease_at
    from ledger_private.nodes p
    where p.tenant_id = n.tenant_id and p.node_id = n.parent_node_id and n.lease_at is null and n.ended_at is null
    union all
    select p.parent_node_id, p.lease_at
    from above a
    join ledger_private.nodes p on p.tenant_id = n.tenant_id and p.node_id = a.parent_node_id
    where a.lease_at is null
  )
  select a.lease_at from above a where a.lease_at is not null
) i on true;
comment on view ledger.nodes is 'Every node with status, hold, lease and end.';
revoke all on ledger.nodes from public;
grant select on ledger.nodes to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/nodes.sql
--! Included views/refusals.sql
-- Who was refused what, and the balances seen, as long as operations are kept.
create or replace view ledger.refusals
with (security_invoker = true)
as
select o.tenant_id, o.pool_id, o.operation_id, o.label, o.code, coalesce(o.result -> 'shortfall', '[]') as shortfall, o.at
from ledger_private.operations o
where o.code is not null;
comment on view ledger.refusals is 'Refused operations: pool, label, reason, shortfall, when.';
revoke all on ledger.refusals from public;
grant select on ledger.refusals to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/refusals.sql
--! Included views/trajectory.sql
-- The tree of a run with spend. own: a leaf's ending, a driver's metered turns, with their corrections; a driver's `settled` row and `drawn`
-- rows are transfers, not spend. rolled_up: own and everything below. Children are found per parent by index; the roll-up is one running sum
-- over the nodes in tree order, where a node opens at its key and closes above all keys below it.
create or replace view ledger.trajectory
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, x.*
from ledger_private.runs r
cross join lateral (
  with recursive tree as (
    select
      n.node_id, n.parent_node_id, 0 as depth, array[n.node_id] as path, n.label, n.runtime, n.status, n.driver, '\x'::bytea as key
    from ledger_private.nodes n
    where n.tenant_id = r.tenant_id and n.node_id = r.run_id
    union all
    select
      c.node_id, c.parent_node_id, t.depth + 1, t.path || c.node_id, c.label, c.runtime, c.status, c.driver,
      t.key || int4send((row_number() over ())::integer)
    from tree t
    cross join lateral (
      select n.* from ledger_private.nodes n
      where n.tenant_id = r.tenant_id and n.parent_node_id = t.node_id and t.driver
      offset 0
    ) c
  ),
  own as (
    select
      j.node_id, coalesce(sum(j.iterations), 0) as iterations, coalesce(sum(j.input_tokens), 0) as input_tokens,
      coalesce(sum(j.output_tokens), 0) as output_tokens, coalesce(sum(j.cache_read_tokens), 0) as cache_read_tokens,
      coalesce(sum(j.cache_write_tokens), 0) as cache_write_tokens, coalesce(sum(j.reasoning_tokens), 0) as reasoning_tokens,
      coalesce(sum(j.charged_tokens), 0) as charged_tokens, coalesce(sum(j.usd), 0) as usd, coalesce(sum(j.ms), 0) as ms,
      coalesce(sum(j.uncertain_tokens), 0) as uncertain_tokens, coalesce(sum(j.uncertain_iterations), 0) as uncertain_iterations,
      coalesce(sum(j.uncertain_usd), 0) as uncertain_usd, coalesce(sum(j.tokens_unknown), 0) as tokens_unknown,
      coalesce(sum(j.usd_unknown), 0) as usd_unknown
    from tree t
    cross join lateral (
      select j.* from ledger_private.journal j
      where j.tenant_id = r.tenant_id and j.pool_id = t.node_id and t.driver
        and j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
      offset 0
    ) j
    group by j.node_id
  ),
  edges as (
    select
      t.key, t.node_id, 1 as sign, coalesce(o.iterations, 0) as iterations, coalesce(o.input_tokens, 0) as input_tokens,
      coalesce(o.output_tokens, 0) as output_tokens, coalesce(o.cache_read_tokens, 0) as cache_read_tokens,
      coalesce(o.cache_write_tokens, 0) as cache_write_tokens, coalesce(o.reasoning_tokens, 0) as reasoning_tokens,
      coalesce(o.charged_tokens, 0) as charged_tokens, coalesce(o.usd, 0) as usd, coalesce(o.ms, 0) as ms,
      coalesce(o.uncertain_tokens, 0) as uncertain_tokens, coalesce(o.uncertain_iterations, 0) as uncertain_iterations,
      coalesce(o.uncertain_usd, 0) as uncertain_usd, coalesce(o.tokens_unknown, 0) as tokens_unknown,
      coalesce(o.usd_unknown, 0) as usd_unknown
    from tree t
    left join own o on o.node_id = t.node_id
    union all
    select
      t.key || '\xff'::bytea, t.node_id, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from tree t
  ),
  running as (
    select
      e.node_id, e.sign,
      e.iterations as own_iterations, e.input_tokens as own_input_tokens, e.output_tokens as own_output_tokens,
      e.cache_read_tokens as own_cache_read_tokens, e.cache_write_tokens as own_cache_write_tokens,
      e.reasoning_tokens as own_reasoning_tokens, e.charged_tokens as own_charged_tokens, e.usd as own_usd, e.ms as own_ms,
      e.uncertain_tokens as own_uncertain_tokens, e.uncertain_iterations as own_uncertain_iterations,
      e.uncertain_usd as own_uncertain_usd, e.tokens_unknown as own_tokens_unknown, e.usd_unknown as own_usd_unknown,
      sum(e.iterations) over in_tree_order as iterations, sum(e.input_tokens) over in_tree_order as input_tokens,
      sum(e.output_tokens) over in_tree_order as output_tokens, sum(e.cache_read_tokens) over in_tree_order as cache_read_tokens,
      sum(e.cache_write_tokens) over in_tree_order as cache_write_tokens, sum(e.reasoning_tokens) over in_tree_order as reasoning_tokens,
      sum(e.charged_tokens) over in_tree_order as charged_tokens, sum(e.usd) over in_tree_order as usd,
      sum(e.ms) over in_tree_order as ms, sum(e.uncertain_tokens) over in_tree_order as uncertain_tokens,
      sum(e.uncertain_iterations) over in_tree_order as uncertain_iterations, sum(e.uncertain_usd) over in_tree_order as uncertain_usd,
      sum(e.tokens_unknown) over in_tree_order as tokens_unknown, sum(e.usd_unknown) over in_tree_order as usd_unknown
    from edges e
    window in_tree_order as (order by e.key rows unbounded preceding)
  ),
  rolled as (
    select
      u.node_id,
      sum(u.own_iterations) as own_iterations, sum(u.own_input_tokens) as own_input_tokens,
      sum(u.own_output_tokens) as own_output_tokens, sum(u.own_cache_read_tokens) as own_cache_read_tokens,
      sum(u.own_cache_write_tokens) as own_cache_write_tokens, sum(u.own_reasoning_tokens) as own_reasoning_tokens,
      sum(u.own_charged_tokens) as own_charged_tokens, sum(u.own_usd) as own_usd, sum(u.own_ms) as own_ms,
      sum(u.own_uncertain_tokens) as own_uncertain_tokens, sum(u.own_uncertain_iterations) as own_uncertain_iterations,
      sum(u.own_uncertain_usd) as own_uncertain_usd, sum(u.own_tokens_unknown) as own_tokens_unknown,
      sum(u.own_usd_unknown) as own_usd_unknown,
      sum(u.own_iterations - u.sign * u.iterations) as iterations, sum(u.own_input_tokens - u.sign * u.input_tokens) as input_tokens,
      sum(u.own_output_tokens - u.sign * u.output_tokens) as output_tokens,
      sum(u.own_cache_read_tokens - u.sign * u.cache_read_tokens) as cache_read_tokens,
      sum(u.own_cache_write_tokens - u.sign * u.cache_write_tokens) as cache_write_tokens,
      sum(u.own_reasoning_tokens - u.sign * u.reasoning_tokens) as reasoning_tokens,
      sum(u.own_charged_tokens - u.sign * u.charged_tokens) as charged_tokens, sum(u.own_usd - u.sign * u.usd) as usd,
      sum(u.own_ms - u.sign * u.ms) as ms, sum(u.own_uncertain_tokens - u.sign * u.uncertain_tokens) as uncertain_tokens,
      sum(u.own_uncertain_iterations - u.sign * u.uncertain_iterations) as uncertain_iterations,
      sum(u.own_uncertain_usd - u.sign * u.uncertain_usd) as uncertain_usd,
      sum(u.own_tokens_unknown - u.sign * u.tokens_unknown) as tokens_unknown,
      sum(u.own_usd_unknown - u.sign * u.usd_unknown) as usd_unknown
    from running u
    group by u.node_id
  )
  select
    t.node_id, t.parent_node_id, t.depth, t.path, t.label, t.runtime, t.status,
    w.own_iterations as own_iterations, w.own_input_tokens as own_input_tokens, w.own_output_tokens as own_output_tokens,
    w.own_cache_read_tokens as own_cache_read_tokens, w.own_cache_write_tokens as own_cache_write_tokens,
    w.own_reasoning_tokens as own_reasoning_tokens, w.own_charged_tokens as own_charged_tokens, trim_scale(w.own_usd) as own_usd,
    w.own_ms as own_ms, w.own_uncertain_tokens as own_uncertain_tokens, w.own_uncertain_iterations as own_uncertain_iterations,
    trim_scale(w.own_uncertain_usd) as own_uncertain_usd,
    w.iterations as rolled_up_iterations, w.input_tokens as rolled_up_input_tokens, w.output_tokens as rolled_up_output_tokens,
    w.cache_read_tokens as rolled_up_cache_read_tokens, w.cache_write_tokens as rolled_up_cache_write_tokens,
    w.reasoning_tokens as rolled_up_reasoning_tokens, w.charged_tokens as rolled_up_charged_tokens, trim_scale(w.usd) as rolled_up_usd,
    w.ms as rolled_up_ms, w.uncertain_tokens as rolled_up_uncertain_tokens, w.uncertain_iterations as rolled_up_uncertain_iterations,
    trim_scale(w.uncertain_usd) as rolled_up_uncertain_usd,
    w.tokens_unknown = 0 as rolled_up_tokens_known, w.usd_unknown = 0 as rolled_up_usd_known
  from tree t
  join rolled w on w.node_id = t.node_id
) x;
comment on view ledger.trajectory is 'The tree of each run with own and rolled-up spend.';
revoke all on ledger.trajectory from public;
grant select on ledger.trajectory to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/trajectory.sql
--! Included views/spent_breakdown.sql
-- What a run spent: three rows, driver inference (metered), child work (leaves), total; also while the run is live. Pools of the run are
-- walked, not its leaves.
create or replace view ledger.spent_breakdown
with (security_invoker = true)
as
select
  r.tenant_id, r.run_id, s.source,
  s.iterations as iterations, s.input_tokens as input_tokens, s.output_tokens as output_tokens, s.cache_read_tokens as cache_read_tokens,
  s.cache_write_tokens as cache_write_tokens, s.reasoning_tokens as reasoning_tokens, s.charged_tokens as charged_tokens,
  trim_scale(s.usd) as usd, s.ms as ms, s.uncertain_tokens as uncertain_tokens, s.uncertain_iterations as uncertain_iterations,
  trim_scale(s.uncertain_usd) as uncertain_usd,
  s.tokens_unknown = 0 as tokens_known, s.usd_unknown = 0 as usd_known
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
      coalesce(sum(j.usd_unknown), 0) as usd_unknown
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
    coalesce(sum(o.usd_unknown), 0) as usd_unknown
  from (values ('driver_inference', 1), ('child_work', 2), ('total', 3)) v (source, place)
  left join own o on o.source = v.source or v.source = 'total'
  group by v.source, v.place
) s;
comment on view ledger.spent_breakdown is 'Three rows per run: driver_inference, child_work, total.';
revoke all on ledger.spent_breakdown from public;
grant select on ledger.spent_breakdown to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/spent_breakdown.sql
--! Included functions/balance_at.sql
-- The channels of a pool as of an instant of the server's clock (recorded_at <= p_at), from the journal. No rows before it was opened.
create or replace function ledger.balance_at(
  p_tenant_id text,
  p_pool_id text,
  p_at timestamptz
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
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
  select
    c.tenant_id, c.pool_id, c.channel, c.unit, c.capped,
    case when c.capped then s.funded end, case when c.capped then s.funded - s.held - s.spent end, s.held, s.spent, s.uncertain
  from ledger.channels c
  join ledger.pools p on p.tenant_id = c.tenant_id and p.pool_id = c.pool_id and p.opened_at <= p_at
  cross join lateral (
    select
      coalesce(trim_scale(sum(j.funded)), 0) as funded, coalesce(trim_scale(sum(j.held)), 0) as held,
      coalesce(trim_scale(sum(j.spent)), 0) as spent, coalesce(trim_scale(sum(j.uncertain)), 0) as uncertain
    from ledger.postings j
    where j.tenant_id = c.tenant_id and j.pool_id = c.pool_id and j.channel = c.channel and j.recorded_at <= p_at
  ) s
  where c.tenant_id = p_tenant_id and c.pool_id = p_pool_id
$$;
comment on function ledger.balance_at(text, text, timestamptz) is 'The channels of a pool as of an instant, summed from the journal.';
revoke all on function ledger.balance_at(text, text, timestamptz) from public;
grant execute on function ledger.balance_at(text, text, timestamptz) to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded functions/balance_at.sql

-- The audit
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
      j.tenant_id, j.pool_id, m.channel, sum(m.funded) as funded, sum(m.held) as held, sum(m.spent) as spent,
      sum(m.uncertain) as uncertain, sum(m.unknown) as unknown, sum(m.seals) as seals, sum(m.remainder) as remainder
    from ledger_private.journal j
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
    ) m
    group by j.tenant_id, j.pool_id, m.channel
  ) s on s.tenant_id = c.tenant_id and s.pool_id = c.pool_id and s.channel = c.channel
) b
where b.balance <> b.journal;
comment on view ledger_private.audit_balances is 'Invariants 1 to 3: every channel row is the sum of its postings.';
revoke all on ledger_private.audit_balances from public;
grant select on ledger_private.audit_balances to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/balances.sql
--! Included views/audit/holds.sql
-- Invariant 3: reserved is the sum of the open holds, and the head counts them.
create or replace view ledger_private.audit_holds
with (security_invoker = true)
as
select
  c.tenant_id, c.pool_id, 'reserved-differs-from-open-holds' as rule,
  jsonb_build_object('channel', c.channel, 'reserved', trim_scale(c.reserved), 'holds', coalesce(o.held, 0)) as detail
from ledger_private.channels c
left join (
  select n.tenant_id, n.parent_node_id, h.key as channel, sum((h.value)::numeric) as held
  from ledger_private.nodes n
  cross join lateral jsonb_each(n.hold) h
  where n.ended_at is null
  group by n.tenant_id, n.parent_node_id, h.key
) o on o.tenant_id = c.tenant_id and o.parent_node_id = c.pool_id and o.channel = c.channel
where c.reserved <> coalesce(o.held, 0)
union all
select
  h.tenant_id, h.pool_id, 'head-miscounts-children',
  jsonb_build_object('children', h.children, 'open_holds', h.open_holds, 'nodes', coalesce(n.children, 0), 'open_nodes', coalesce(n.open, 0))
from ledger_private.pool_heads h
left join (
  select
    n.tenant_id, n.parent_node_id, count(*) as children, count(*) filter (where n.ended_at is null) as open,
    min(n.lease_at) filter (where n.ended_at is null) as next_lease_at
  from ledger_private.nodes n
  group by n.tenant_id, n.parent_node_id
) n on n.tenant_id = h.tenant_id and n.parent_node_id = h.pool_id
where h.children <> coalesce(n.children, 0) or h.open_holds <> coalesce(n.open, 0)
  or (n.next_lease_at is not null and coalesce(h.next_lease_at > n.next_lease_at, true));
comment on view ledger_private.audit_holds is 'Invariant 3: reserved is the sum of the open holds, and the head counts them.';
revoke all on ledger_private.audit_holds from public;
grant select on ledger_private.audit_holds to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/holds.sql
--! Included views/audit/sequence.sql
-- Invariant 5: seq is dense per pool, and the head knows the last one.
create or replace view ledger_private.audit_sequence
with (security_invoker = true)
as
select
  h.tenant_id, h.pool_id, 'seq-not-dense' as rule,
  jsonb_build_object('seq', h.seq, 'rows', coalesce(j.rows, 0), 'first', j.first, 'last', j.last) as detail
from ledger_private.pool_heads h
left join (
  select j.tenant_id, j.pool_id, count(*) as rows, min(j.seq) as first, max(j.seq) as last
  from ledger_private.journal j
  group by j.tenant_id, j.pool_id
) j on j.tenant_id = h.tenant_id and j.pool_id = h.pool_id
where (h.seq, h.seq, 1) is distinct from (j.rows, j.last, j.first)
union all
select j.tenant_id, j.pool_id, 'journal-of-no-pool', jsonb_build_object('rows', count(*))
from ledger_private.journal j
where not exists (select from ledger_private.pool_heads h where h.tenant_id = j.tenant_id and h.pool_id = j.pool_id)
group by j.tenant_id, j.pool_id;
comment on view ledger_private.audit_sequence is 'Invariant 5: seq is dense per pool, and the head knows the last one.';
revoke all on ledger_private.audit_sequence from public;
grant select on ledger_private.audit_sequence to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/sequence.sql
--! Included views/audit/endings.sql
-- Invariant 4: every ended child has its one terminal row in its parent, delivered rows are counted, and rows name nodes and operations that
-- exist.
create or replace view ledger_private.audit_endings
with (security_invoker = true)
as
select
  n.tenant_id, n.parent_node_id as pool_id, 'ending-without-terminal-row' as rule,
  jsonb_build_object('node_id', n.node_id, 'status', n.status, 'terminal_seq', n.terminal_seq) as detail
from ledger_private.nodes n
left join ledger_private.journal j
  on j.tenant_id = n.tenant_id and j.pool_id = n.parent_node_id and j.seq = n.terminal_seq
  and j.node_id = n.node_id and j.kind in ('settled', 'cancelled', 'expired')
where n.parent_node_id is not null and (n.ended_at is not null) <> (j.seq is not null)
union all
select j.tenant_id, j.pool_id, 'journal-of-no-node', jsonb_build_object('seq', j.seq, 'node_id', j.node_id)
from ledger_private.journal j
left join ledger_private.nodes n on n.tenant_id = j.tenant_id and n.node_id = j.node_id
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
  from ledger_private.journal j
  where j.tenant_id = h.tenant_id and j.pool_id = h.pool_id and j.kind in ('settled', 'cancelled', 'expired', 'delivered')
) t on true
where h.undelivered <> t.waiting or h.next_cursor <> t.delivered
union all
select o.tenant_id, o.pool_id, 'operation-without-row', jsonb_build_object('operation_id', o.operation_id, 'seq', o.seq)
from ledger_private.operations o
left join ledger_private.journal j on j.tenant_id = o.tenant_id and j.pool_id = o.pool_id and j.seq = o.seq
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
from ledger_private.journal j
where j.source_pool_id is null and j.kind in ('metered', 'settled', 'cancelled', 'expired', 'corrected')
  and (
    coalesce(j.charged_tokens, 0) <> coalesce(j.tokens_spent, 0) or coalesce(j.iterations, 0) <> coalesce(j.iterations_spent, 0)
    or coalesce(j.usd, 0) <> coalesce(j.usd_spent, 0) or coalesce(j.uncertain_usd, 0) <> coalesce(j.usd_uncertain, 0)
    or coalesce(j.uncertain_tokens, 0) <> coalesce(j.tokens_uncertain, 0)
  )
union all
select j.tenant_id, j.pool_id, 'drawn-row-spends', jsonb_build_object('seq', j.seq)
from ledger_private.journal j
where j.kind = 'drawn' and j.iterations is not null
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
create or replace view ledger_private.audit_children
with (security_invoker = true)
as
select
  c.tenant_id, c.pool_id, 'child-total-differs-from-parent' as rule,
  jsonb_build_object(
    'channel', c.channel, 'state', p.state, 'total', trim_scale(c.total), 'hold', coalesce((n.hold -> c.channel)::numeric, 0),
    'committed_by_parent', trim_scale(coalesce(b.spent, 0))
  ) as detail
from ledger_private.pools p
join ledger_private.channels c on c.tenant_id = p.tenant_id and c.pool_id = p.pool_id
join ledger_private.channels u on u.tenant_id = p.tenant_id and u.pool_id = p.parent_pool_id and u.channel = c.channel
join ledger_private.nodes n on n.tenant_id = p.tenant_id and n.node_id = p.pool_id
left join (
  select j.tenant_id, j.pool_id, j.node_id, m.channel, sum(m.spent) as spent
  from ledger_private.journal j
  cross join lateral (
    select 'tokens' as channel, coalesce(j.tokens_spent, 0) as spent
    union all select 'iterations', coalesce(j.iterations_spent, 0)
    union all select 'usd', coalesce(j.usd_spent, 0)
    union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
  ) m
  where j.source_pool_id = j.node_id and j.kind in ('settled', 'cancelled', 'corrected')
  group by j.tenant_id, j.pool_id, j.node_id, m.channel
) b on b.tenant_id = p.tenant_id and b.pool_id = p.parent_pool_id and b.node_id = p.pool_id and b.channel = c.channel
where c.total is not null
  and case p.state
    when 'closed' then c.total <> coalesce(b.spent, 0) or c.free <> 0
    else u.total is not null and c.total <> coalesce((n.hold -> c.channel)::numeric, 0)
  end
union all
select c.tenant_id, c.pool_id, 'closed-pool-has-holds', jsonb_build_object('channel', c.channel, 'reserved', trim_scale(c.reserved))
from ledger_private.channels c
join ledger_private.pools p on p.tenant_id = c.tenant_id and p.pool_id = c.pool_id
where p.state = 'closed' and c.reserved <> 0;
comment on view ledger_private.audit_children is
  'Invariant 7: the total of an open child pool is its hold in the parent, of a closed one what the parent committed for it.';
revoke all on ledger_private.audit_children from public;
grant select on ledger_private.audit_children to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/children.sql
--! Included views/audit/draws.sql
-- What a payer drew is what was spent below on its account, event by event.
create or replace view ledger_private.audit_draws
with (security_invoker = true)
as
select
  d.tenant_id, d.pool_id, 'drawn-differs-from-source' as rule,
  jsonb_build_object(
    'source_pool_id', d.source_pool_id, 'source_seq', d.source_seq, 'channel', d.channel, 'drawn', d.drawn, 'spent', d.spent
  ) as detail
from (
  select
    coalesce(s.tenant_id, q.tenant_id) as tenant_id, coalesce(s.payer_pool_id, q.pool_id) as pool_id,
    coalesce(s.pool_id, q.source_pool_id) as source_pool_id, coalesce(s.seq, q.source_seq) as source_seq,
    coalesce(s.channel, q.channel) as channel, coalesce(q.spent, 0) as drawn, coalesce(s.spent, 0) as spent
  from (
    select j.tenant_id, j.pool_id, j.seq, m.channel, m.spent, c.payer_pool_id
    from ledger_private.journal j
    cross join lateral (
      select 'usd' as channel, coalesce(j.usd_spent, 0) as spent
      union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
    ) m
    join ledger_private.channels c
      on c.tenant_id = j.tenant_id and c.pool_id = j.pool_id and c.channel = m.channel and c.payer_pool_id <> c.pool_id
    left join ledger_private.channels b on b.tenant_id = j.tenant_id and b.pool_id = j.source_pool_id and b.channel = m.channel
    where m.spent <> 0 and (j.source_pool_id is null or b.payer_pool_id = b.pool_id)
  ) s
  full join (
    select j.tenant_id, j.pool_id, j.source_pool_id, j.source_seq, m.channel, m.spent
    from ledger_private.journal j
    cross join lateral (
      select 'usd' as channel, coalesce(j.usd_spent, 0) as spent
      union all select r.key, coalesce((r.value -> 'spent')::numeric, 0) from jsonb_each(j.resource_moves) r
    ) m
    where j.kind = 'drawn' and m.spent <> 0
  ) q
    on q.tenant_id = s.tenant_id and q.pool_id = s.payer_pool_id and q.source_pool_id = s.pool_id and q.source_seq = s.seq and q.channel = s.channel
) d
where d.drawn <> d.spent
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
join ledger_private.channels q on q.tenant_id = c.tenant_id and q.pool_id = c.payer_pool_id and q.channel = c.channel
where q.total is null;
comment on view ledger_private.audit_draws is 'What a payer drew is what was spent below on its account, event by event.';
revoke all on ledger_private.audit_draws from public;
grant select on ledger_private.audit_draws to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit/draws.sql
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
select a.tenant_id, a.pool_id, a.rule, a.detail from ledger_private.audit_runs a;
comment on view ledger.audit is 'What is wrong: tenant, pool, rule, detail. Zero rows = healthy.';
revoke all on ledger.audit from public;
grant select on ledger.audit to ledger_admin, ledger_writer, ledger_auditor;
--! EndIncluded views/audit.sql
--! EndIncluded all.sql

reset role;
