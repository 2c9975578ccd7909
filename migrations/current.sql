-- The conserved core: roles, schemas, types, tables. Stateless objects follow from sql/all.sql.

--!include roles.sql

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

--!include all.sql

reset role;
