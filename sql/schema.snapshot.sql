-- The schema as the migrations make it. Generated; a test compares it with the live catalog.

-- Schemas

create schema ledger authorization ledger_owner;
comment on schema ledger is 'Public API of agent-ledger: functions in, views out.';
grant usage on schema ledger to ledger_admin;
grant usage on schema ledger to ledger_auditor;
grant usage on schema ledger to ledger_writer;

create schema ledger_private authorization ledger_owner;
comment on schema ledger_private is 'State of agent-ledger. No USAGE for anyone but its owner.';

-- Types

create type ledger_private.answer as (
  status text,
  code text,
  result jsonb,
  pool_id text,
  seq bigint
);
alter type ledger_private.answer owner to ledger_owner;
comment on type ledger_private.answer is 'ok, refused, error or replayed; pool_id and seq of the journal row that carries the operation.';
grant usage on type ledger_private.answer to public;

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
alter type ledger_private.drawn owner to ledger_owner;
comment on type ledger_private.drawn is 'The drawn row of a step with another pool that pays for it.';
grant usage on type ledger_private.drawn to public;

create type ledger_private.entry as (
  n integer,
  pool_id text,
  drawn boolean,
  booked boolean,
  spawns boolean,
  ends boolean,
  lease_at timestamp with time zone,
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
alter type ledger_private.entry owner to ledger_owner;
comment on type ledger_private.entry is 'What a step does to the balances of one pool (ledger_private.entries).';
grant usage on type ledger_private.entry to public;

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
alter type ledger_private.move owner to ledger_owner;
comment on type ledger_private.move is 'A change of one channel row: what is added to total, reserved, committed, uncertain, and the counts. draws = another pool that pays books it too.';
grant usage on type ledger_private.move to public;

create type ledger_private.step as (
  n integer,
  op text,
  operation jsonb,
  priced jsonb,
  operation_id text,
  effective_at timestamp with time zone,
  pool_id text,
  run_id text,
  node_id text,
  place tid,
  tags jsonb,
  budget jsonb,
  lease_at timestamp with time zone,
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
alter type ledger_private.step owner to ledger_owner;
comment on type ledger_private.step is 'One operation of a batch as ledger_private.steps reads it: what it does to its pool and node.';
grant usage on type ledger_private.step to public;

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
  usd_seals integer,
  cache_write_1h_tokens numeric
);
alter type ledger_private.usage owner to ledger_owner;
comment on type ledger_private.usage is 'What one event consumed, and how often something in it is unknown (1 or 0; differences in a correction). usd null = unknown and not charged.';
grant usage on type ledger_private.usage to public;

-- Tables

create table ledger_private.archives (
  tenant_id text not null,
  pool_id text not null,
  first_seq bigint not null,
  last_seq bigint not null,
  run_id text not null,
  events bigint not null,
  lines bigint not null,
  sums jsonb not null,
  export_digest text not null,
  archived_at timestamp with time zone not null,
  archived_by text not null,
  constraint archives_digest_sha256 CHECK ((export_digest ~ '^sha256:[0-9a-f]{64}$'::text)),
  constraint archives_stretch_whole CHECK (((first_seq > 0) AND (first_seq <= last_seq) AND ((events >= 0) AND (events <= ((last_seq - first_seq) + 1))))),
  constraint archives_pool_fkey FOREIGN KEY (tenant_id, pool_id) REFERENCES ledger_private.pools(tenant_id, pool_id),
  constraint archives_pkey PRIMARY KEY (tenant_id, pool_id, first_seq)
);
CREATE TRIGGER archives_append_only BEFORE DELETE OR UPDATE ON ledger_private.archives FOR EACH ROW EXECUTE FUNCTION ledger_private.tg_journal__append_only();
CREATE TRIGGER archives_no_truncate BEFORE TRUNCATE ON ledger_private.archives FOR EACH STATEMENT EXECUTE FUNCTION ledger_private.tg_journal__append_only();
alter table ledger_private.archives enable row level security;
alter table ledger_private.archives force row level security;
create policy owner_all on ledger_private.archives as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.archives as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.archives as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.archives owner to ledger_owner;
grant select on table ledger_private.archives to ledger_admin;
grant select on table ledger_private.archives to ledger_auditor;
grant select on table ledger_private.archives to ledger_writer;

create table ledger_private.blobs (
  tenant_id text not null,
  blob_id text not null,
  body bytea not null,
  stored_at timestamp with time zone not null default clock_timestamp(),
  constraint blobs_id_is_digest CHECK ((blob_id = ('sha256:'::text || encode(sha256(body), 'hex'::text)))),
  constraint blobs_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES ledger_private.tenants(tenant_id),
  constraint blobs_pkey PRIMARY KEY (tenant_id, blob_id)
);
alter table ledger_private.blobs enable row level security;
alter table ledger_private.blobs force row level security;
create policy owner_all on ledger_private.blobs as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.blobs as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.blobs as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.blobs owner to ledger_owner;
comment on table ledger_private.blobs is 'Artifacts by content: sha256:<hex> of the bytes.';
grant select on table ledger_private.blobs to ledger_admin;
grant select on table ledger_private.blobs to ledger_auditor;
grant select on table ledger_private.blobs to ledger_writer;

create table ledger_private.channels (
  tenant_id text not null,
  pool_id text not null,
  channel text not null,
  unit text,
  total numeric(38,12),
  free numeric(38,12),
  reserved numeric(38,12) not null default 0,
  committed numeric(38,12) not null default 0,
  uncertain numeric(38,12) not null default 0,
  remainder numeric(38,12) not null default 0,
  unknown integer not null default 0,
  seals integer not null default 0,
  payer_pool_id text,
  constraint channels_capped_adds_up CHECK ((total = ((free + reserved) + committed))),
  constraint channels_sound CHECK (ledger_private.sound_channel(channels.*)),
  constraint channels_payer_fkey FOREIGN KEY (tenant_id, payer_pool_id, channel) REFERENCES ledger_private.channels(tenant_id, pool_id, channel),
  constraint channels_pool_fkey FOREIGN KEY (tenant_id, pool_id) REFERENCES ledger_private.pools(tenant_id, pool_id),
  constraint channels_pkey PRIMARY KEY (tenant_id, pool_id, channel)
) with (fillfactor=50);
alter table ledger_private.channels enable row level security;
alter table ledger_private.channels force row level security;
create policy owner_all on ledger_private.channels as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.channels as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.channels as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.channels owner to ledger_owner;
comment on table ledger_private.channels is 'One quantity of one pool. remainder: the part of committed that only a seal put there; unknown, seals: events of unknown usage still uncorrected.';
grant select on table ledger_private.channels to ledger_admin;
grant select on table ledger_private.channels to ledger_auditor;
grant select on table ledger_private.channels to ledger_writer;

create table ledger_private.journal (
  tenant_id text not null,
  pool_id text not null,
  seq bigint not null,
  recorded_at timestamp with time zone not null,
  effective_at timestamp with time zone not null,
  kind text not null,
  operation_id text not null,
  recorded_by text not null default SESSION_USER,
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
  iterations numeric(38,0),
  input_tokens numeric(38,0),
  output_tokens numeric(38,0),
  cache_read_tokens numeric(38,0),
  cache_write_tokens numeric(38,0),
  reasoning_tokens numeric(38,0),
  charged_tokens numeric(38,0),
  usd numeric(38,12),
  ms numeric(38,0),
  uncertain_tokens numeric(38,0),
  uncertain_iterations numeric(38,0),
  uncertain_usd numeric(38,12),
  tokens_known boolean,
  usd_known boolean,
  resources jsonb,
  verdict jsonb,
  outcome text,
  out_ref text,
  reason text,
  infra boolean,
  detail jsonb,
  tokens_funded numeric(38,0),
  tokens_held numeric(38,0),
  tokens_spent numeric(38,0),
  tokens_uncertain numeric(38,0),
  tokens_unknown integer,
  iterations_funded numeric(38,0),
  iterations_held numeric(38,0),
  iterations_spent numeric(38,0),
  iterations_uncertain numeric(38,0),
  iterations_unknown integer,
  usd_funded numeric(38,12),
  usd_held numeric(38,12),
  usd_spent numeric(38,12),
  usd_uncertain numeric(38,12),
  usd_unknown integer,
  usd_seals integer,
  usd_remainder numeric(38,12),
  resource_moves jsonb,
  cache_write_1h_tokens numeric(38,0),
  constraint journal_sound CHECK (ledger_private.sound_event(journal.*)),
  constraint journal_pkey PRIMARY KEY (tenant_id, pool_id, seq)
) with (autovacuum_vacuum_scale_factor=0.05, autovacuum_vacuum_insert_scale_factor=0.05);
CREATE UNIQUE INDEX journal_closed_once ON ledger_private.journal USING btree (tenant_id, pool_id) WHERE (kind = 'closed'::text);
CREATE INDEX journal_corrects_idx ON ledger_private.journal USING btree (tenant_id, pool_id, corrects_seq) WHERE (corrects_seq IS NOT NULL);
CREATE UNIQUE INDEX journal_terminal_once ON ledger_private.journal USING btree (tenant_id, node_id) WHERE (kind = ANY (ARRAY['settled'::text, 'cancelled'::text, 'expired'::text]));
CREATE TRIGGER journal_append_only BEFORE UPDATE ON ledger_private.journal FOR EACH ROW EXECUTE FUNCTION ledger_private.tg_journal__append_only();
CREATE TRIGGER journal_leave AFTER DELETE ON ledger_private.journal REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ledger_private.tg_journal__leave();
CREATE TRIGGER journal_no_truncate BEFORE TRUNCATE ON ledger_private.journal FOR EACH STATEMENT EXECUTE FUNCTION ledger_private.tg_journal__append_only();
alter table ledger_private.journal enable row level security;
alter table ledger_private.journal force row level security;
create policy owner_all on ledger_private.journal as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.journal as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.journal as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.journal owner to ledger_owner;
comment on table ledger_private.journal is 'Append-only. Usage columns say what was consumed; <channel>_<move> columns say what it did to the channel rows of this pool. Null = nothing.';
grant select on table ledger_private.journal to ledger_admin;
grant select on table ledger_private.journal to ledger_auditor;
grant select on table ledger_private.journal to ledger_writer;

create table ledger_private.journal_archive (
  tenant_id text not null,
  pool_id text not null,
  seq bigint not null,
  recorded_at timestamp with time zone not null,
  effective_at timestamp with time zone not null,
  kind text not null,
  operation_id text not null,
  recorded_by text not null,
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
  iterations numeric(38,0),
  input_tokens numeric(38,0),
  output_tokens numeric(38,0),
  cache_read_tokens numeric(38,0),
  cache_write_tokens numeric(38,0),
  reasoning_tokens numeric(38,0),
  charged_tokens numeric(38,0),
  usd numeric(38,12),
  ms numeric(38,0),
  uncertain_tokens numeric(38,0),
  uncertain_iterations numeric(38,0),
  uncertain_usd numeric(38,12),
  tokens_known boolean,
  usd_known boolean,
  resources jsonb,
  verdict jsonb,
  outcome text,
  out_ref text,
  reason text,
  infra boolean,
  detail jsonb,
  tokens_funded numeric(38,0),
  tokens_held numeric(38,0),
  tokens_spent numeric(38,0),
  tokens_uncertain numeric(38,0),
  tokens_unknown integer,
  iterations_funded numeric(38,0),
  iterations_held numeric(38,0),
  iterations_spent numeric(38,0),
  iterations_uncertain numeric(38,0),
  iterations_unknown integer,
  usd_funded numeric(38,12),
  usd_held numeric(38,12),
  usd_spent numeric(38,12),
  usd_uncertain numeric(38,12),
  usd_unknown integer,
  usd_seals integer,
  usd_remainder numeric(38,12),
  resource_moves jsonb,
  cache_write_1h_tokens numeric(38,0),
  constraint journal_archive_pkey PRIMARY KEY (tenant_id, pool_id, seq)
);
CREATE INDEX journal_archive_corrects_idx ON ledger_private.journal_archive USING btree (tenant_id, pool_id, corrects_seq) WHERE (corrects_seq IS NOT NULL);
CREATE TRIGGER journal_archive_append_only BEFORE DELETE OR UPDATE ON ledger_private.journal_archive FOR EACH ROW EXECUTE FUNCTION ledger_private.tg_journal__append_only();
CREATE TRIGGER journal_archive_enter AFTER INSERT ON ledger_private.journal_archive REFERENCING NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION ledger_private.tg_journal_archive__enter();
CREATE TRIGGER journal_archive_no_truncate BEFORE TRUNCATE ON ledger_private.journal_archive FOR EACH STATEMENT EXECUTE FUNCTION ledger_private.tg_journal__append_only();
alter table ledger_private.journal_archive enable row level security;
alter table ledger_private.journal_archive force row level security;
create policy owner_all on ledger_private.journal_archive as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.journal_archive as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.journal_archive as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.journal_archive owner to ledger_owner;
grant select on table ledger_private.journal_archive to ledger_admin;
grant select on table ledger_private.journal_archive to ledger_auditor;
grant select on table ledger_private.journal_archive to ledger_writer;

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
  budget jsonb not null default '{}'::jsonb,
  hold jsonb not null default '{}'::jsonb,
  tags jsonb,
  status text not null default 'pending'::text,
  lease_at timestamp with time zone,
  cursor bigint,
  terminal_seq bigint,
  late boolean not null default false,
  verdict jsonb,
  out_ref text,
  reason text,
  infra boolean,
  spawned_at timestamp with time zone not null,
  dispatched_at timestamp with time zone,
  ended_at timestamp with time zone,
  task_ref text,
  constraint nodes_sound CHECK (ledger_private.sound_node(nodes.*)),
  constraint nodes_parent_fkey FOREIGN KEY (tenant_id, parent_node_id) REFERENCES ledger_private.pools(tenant_id, pool_id),
  constraint nodes_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES ledger_private.tenants(tenant_id),
  constraint nodes_pkey PRIMARY KEY (tenant_id, node_id)
) with (fillfactor=50);
CREATE UNIQUE INDEX nodes_key_once ON ledger_private.nodes USING btree (tenant_id, parent_node_id, key) WHERE ((key IS NOT NULL) AND (NOT superseded));
CREATE INDEX nodes_parent_idx ON ledger_private.nodes USING btree (tenant_id, parent_node_id) WHERE (parent_node_id IS NOT NULL);
alter table ledger_private.nodes enable row level security;
alter table ledger_private.nodes force row level security;
create policy owner_all on ledger_private.nodes as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.nodes as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.nodes as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.nodes owner to ledger_owner;
comment on table ledger_private.nodes is 'One agent, worker or request. parent_node_id owns the pool it holds from; terminal_seq: its terminal row there; late: expired, then settled.';
grant select on table ledger_private.nodes to ledger_admin;
grant select on table ledger_private.nodes to ledger_auditor;
grant select on table ledger_private.nodes to ledger_writer;

create table ledger_private.operations (
  tenant_id text not null,
  operation_id text not null,
  digest bytea not null,
  code text,
  pool_id text,
  seq bigint,
  label text,
  result jsonb,
  at timestamp with time zone not null,
  constraint operations_sound CHECK (ledger_private.sound_operation(operations.*)),
  constraint operations_pkey PRIMARY KEY (tenant_id, operation_id)
) with (fillfactor=100, autovacuum_vacuum_scale_factor=0.02, autovacuum_vacuum_insert_scale_factor=0.05);
alter table ledger_private.operations enable row level security;
alter table ledger_private.operations force row level security;
create policy owner_all on ledger_private.operations as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.operations as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.operations as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.operations owner to ledger_owner;
comment on table ledger_private.operations is 'Idempotency: what was asked (digest) and answered. code null = ok; result without pool_id and seq, which have columns.';
grant select on table ledger_private.operations to ledger_admin;
grant select on table ledger_private.operations to ledger_auditor;
grant select on table ledger_private.operations to ledger_writer;

create table ledger_private.plans (
  tenant_id text not null,
  experiment text not null,
  plan_ref text not null,
  pool_id text not null,
  seq bigint not null,
  registered_at timestamp with time zone not null,
  registered_by text not null default SESSION_USER,
  constraint plans_blob_fkey FOREIGN KEY (tenant_id, plan_ref) REFERENCES ledger_private.blobs(tenant_id, blob_id),
  constraint plans_event_fkey FOREIGN KEY (tenant_id, pool_id, seq) REFERENCES ledger_private.journal(tenant_id, pool_id, seq),
  constraint plans_pkey PRIMARY KEY (tenant_id, experiment)
);
CREATE INDEX plans_event_idx ON ledger_private.plans USING btree (tenant_id, pool_id, seq);
alter table ledger_private.plans enable row level security;
alter table ledger_private.plans force row level security;
create policy owner_all on ledger_private.plans as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.plans as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.plans as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.plans owner to ledger_owner;
grant select on table ledger_private.plans to ledger_admin;
grant select on table ledger_private.plans to ledger_auditor;
grant select on table ledger_private.plans to ledger_writer;

create table ledger_private.pool_heads (
  tenant_id text not null,
  pool_id text not null,
  seq bigint not null default 0,
  open_holds integer not null default 0,
  children integer not null default 0,
  undelivered integer not null default 0,
  delivered_seq bigint not null default 0,
  next_cursor bigint not null default 0,
  next_lease_at timestamp with time zone,
  constraint pool_heads_sound CHECK (ledger_private.sound_head(pool_heads.*)),
  constraint pool_heads_pool_fkey FOREIGN KEY (tenant_id, pool_id) REFERENCES ledger_private.pools(tenant_id, pool_id),
  constraint pool_heads_pkey PRIMARY KEY (tenant_id, pool_id)
) with (fillfactor=50);
alter table ledger_private.pool_heads enable row level security;
alter table ledger_private.pool_heads force row level security;
create policy owner_all on ledger_private.pool_heads as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.pool_heads as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.pool_heads as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.pool_heads owner to ledger_owner;
comment on table ledger_private.pool_heads is 'The narrow hot row of a pool. seq: last journal row; children: ordinal of the next derived id; next_lease_at: no open hold has an earlier lease.';
grant select on table ledger_private.pool_heads to ledger_admin;
grant select on table ledger_private.pool_heads to ledger_auditor;
grant select on table ledger_private.pool_heads to ledger_writer;

create table ledger_private.pools (
  tenant_id text not null,
  pool_id text not null,
  parent_pool_id text,
  run_id text,
  state text not null default 'open'::text,
  deadline_at timestamp with time zone,
  unknown_usd text not null default 'seal'::text,
  token_charge text not null default 'total'::text,
  depth integer not null default 0,
  depth_left integer,
  payers text[],
  tags jsonb,
  opened_at timestamp with time zone not null,
  paid_by jsonb,
  constraint pools_depth_left_not_negative CHECK ((depth_left >= 0)),
  constraint pools_depth_of_top_zero CHECK ((((depth = 0) = (parent_pool_id IS NULL)) AND (depth >= 0))),
  constraint pools_parent_other CHECK ((parent_pool_id <> pool_id)),
  constraint pools_state_known CHECK ((state = ANY (ARRAY['open'::text, 'frozen'::text, 'closed'::text]))),
  constraint pools_token_charge_known CHECK ((token_charge = ANY (ARRAY['total'::text, 'uncached'::text]))),
  constraint pools_unknown_usd_known CHECK ((unknown_usd = ANY (ARRAY['seal'::text, 'flag'::text]))),
  constraint pools_owner_fkey FOREIGN KEY (tenant_id, pool_id) REFERENCES ledger_private.nodes(tenant_id, node_id),
  constraint pools_parent_fkey FOREIGN KEY (tenant_id, parent_pool_id) REFERENCES ledger_private.pools(tenant_id, pool_id),
  constraint pools_pkey PRIMARY KEY (tenant_id, pool_id)
);
CREATE INDEX pools_parent_idx ON ledger_private.pools USING btree (tenant_id, parent_pool_id) WHERE (parent_pool_id IS NOT NULL);
alter table ledger_private.pools enable row level security;
alter table ledger_private.pools force row level security;
create policy owner_all on ledger_private.pools as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.pools as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.pools as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.pools owner to ledger_owner;
comment on table ledger_private.pools is 'What seldom changes of a budget. depth_left, deadline_at: the strictest of the pool and all above it; payers: pools above that pay some channel.';
comment on column ledger_private.pools.paid_by is '{channel: the pool that pays for it}, as on the channel rows; a channel nobody pays is left out';
grant select on table ledger_private.pools to ledger_admin;
grant select on table ledger_private.pools to ledger_auditor;
grant select on table ledger_private.pools to ledger_writer;

create table ledger_private.price_books (
  tenant_id text not null,
  book text not null,
  source text,
  digest bytea not null,
  recorded_at timestamp with time zone not null default clock_timestamp(),
  recorded_by text not null default SESSION_USER,
  constraint price_books_book_short CHECK (((char_length(book) >= 1) AND (char_length(book) <= 200))),
  constraint price_books_digest_sha256 CHECK ((octet_length(digest) = 32)),
  constraint price_books_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES ledger_private.tenants(tenant_id),
  constraint price_books_pkey PRIMARY KEY (tenant_id, book)
);
CREATE TRIGGER price_books_immutable BEFORE DELETE OR UPDATE ON ledger_private.price_books FOR EACH ROW EXECUTE FUNCTION ledger_private.tg_prices__immutable();
CREATE TRIGGER price_books_no_truncate BEFORE TRUNCATE ON ledger_private.price_books FOR EACH STATEMENT EXECUTE FUNCTION ledger_private.tg_prices__immutable();
alter table ledger_private.price_books enable row level security;
alter table ledger_private.price_books force row level security;
create policy owner_all on ledger_private.price_books as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.price_books as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.price_books as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.price_books owner to ledger_owner;
comment on table ledger_private.price_books is 'What a tenant priced from or may price from. Never changed: digest says which content it has.';
grant select on table ledger_private.price_books to ledger_admin;
grant select on table ledger_private.price_books to ledger_auditor;
grant select on table ledger_private.price_books to ledger_writer;

create table ledger_private.prices (
  tenant_id text not null,
  book text not null,
  provider text not null,
  match text not null,
  model text not null,
  token_class text not null,
  above_input_tokens bigint not null default 0,
  valid_from timestamp with time zone not null default '-infinity'::timestamp with time zone,
  valid_to timestamp with time zone not null default 'infinity'::timestamp with time zone,
  usd_per_million numeric(18,6) not null,
  source text,
  constraint prices_above_not_negative CHECK ((above_input_tokens >= 0)),
  constraint prices_match_known CHECK ((match ~ '^(exact|dated|prefix|contains)$'::text)),
  constraint prices_names_lower CHECK (((provider = lower((provider COLLATE "C"))) AND (model = lower((model COLLATE "C"))))),
  constraint prices_names_short CHECK ((((char_length(provider) >= 1) AND (char_length(provider) <= 200)) AND ((char_length(model) >= 1) AND (char_length(model) <= 200)))),
  constraint prices_not_negative CHECK (((usd_per_million >= (0)::numeric) AND (usd_per_million < 'Infinity'::numeric))),
  constraint prices_token_class_known CHECK ((token_class ~ '^(input|cache_read|cache_write|cache_write_1h|output|reasoning|request)$'::text)),
  constraint prices_valid_for_some_time CHECK ((valid_from < valid_to)),
  constraint prices_book_fkey FOREIGN KEY (tenant_id, book) REFERENCES ledger_private.price_books(tenant_id, book),
  constraint prices_pkey PRIMARY KEY (tenant_id, book, provider, match, model, token_class, above_input_tokens, valid_from)
);
CREATE TRIGGER prices_immutable BEFORE DELETE OR UPDATE ON ledger_private.prices FOR EACH ROW EXECUTE FUNCTION ledger_private.tg_prices__immutable();
CREATE TRIGGER prices_no_truncate BEFORE TRUNCATE ON ledger_private.prices FOR EACH STATEMENT EXECUTE FUNCTION ledger_private.tg_prices__immutable();
alter table ledger_private.prices enable row level security;
alter table ledger_private.prices force row level security;
create policy owner_all on ledger_private.prices as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.prices as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.prices as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.prices owner to ledger_owner;
comment on table ledger_private.prices is 'Dollars per million tokens of a class (request: per million calls), for calls with more input than above_input_tokens (0 = all).';
grant select on table ledger_private.prices to ledger_admin;
grant select on table ledger_private.prices to ledger_auditor;
grant select on table ledger_private.prices to ledger_writer;

create table ledger_private.retries (
  tenant_id text not null,
  hour timestamp with time zone not null,
  role_name text not null,
  retries bigint not null,
  constraint retries_positive CHECK ((retries > 0)),
  constraint retries_tenant_fkey FOREIGN KEY (tenant_id) REFERENCES ledger_private.tenants(tenant_id),
  constraint retries_pkey PRIMARY KEY (tenant_id, hour, role_name)
);
alter table ledger_private.retries enable row level security;
alter table ledger_private.retries force row level security;
create policy owner_all on ledger_private.retries as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.retries as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.retries as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.retries owner to ledger_owner;
comment on table ledger_private.retries is 'Calls that clients had to repeat, as they said, per hour (its beginning, UTC) and login role; 30 days of it.';
grant select on table ledger_private.retries to ledger_admin;
grant select on table ledger_private.retries to ledger_auditor;
grant select on table ledger_private.retries to ledger_writer;

create table ledger_private.role_bindings (
  tenant_id text not null,
  role_name text not null,
  bound_at timestamp with time zone not null default clock_timestamp(),
  bound_by text not null default SESSION_USER,
  constraint role_bindings_pkey PRIMARY KEY (tenant_id, role_name),
  constraint role_bindings_role_once UNIQUE (role_name)
);
alter table ledger_private.role_bindings enable row level security;
alter table ledger_private.role_bindings force row level security;
create policy owner_all on ledger_private.role_bindings as permissive for all to ledger_owner using (true) with check (true);
alter table ledger_private.role_bindings owner to ledger_owner;
comment on table ledger_private.role_bindings is 'The one tenant a login role acts for; * = all of them.';

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
  opened_at timestamp with time zone not null,
  judged_at timestamp with time zone,
  constraint runs_arm_of_experiment CHECK (((experiment IS NULL) = (arm IS NULL))),
  constraint runs_outcome_known CHECK ((outcome = ANY (ARRAY['done'::text, 'down'::text, 'cancelled'::text]))),
  constraint runs_score_finite CHECK (((score > '-Infinity'::numeric) AND (score < 'Infinity'::numeric))),
  constraint runs_task_of_experiment CHECK (((experiment IS NOT NULL) OR ((task IS NULL) AND (replicate IS NULL)))),
  constraint runs_pool_fkey FOREIGN KEY (tenant_id, run_id) REFERENCES ledger_private.pools(tenant_id, pool_id),
  constraint runs_pkey PRIMARY KEY (tenant_id, run_id)
);
CREATE INDEX runs_experiment_idx ON ledger_private.runs USING btree (tenant_id, experiment) WHERE (experiment IS NOT NULL);
alter table ledger_private.runs enable row level security;
alter table ledger_private.runs force row level security;
create policy owner_all on ledger_private.runs as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.runs as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.runs as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.runs owner to ledger_owner;
comment on table ledger_private.runs is 'A root node marked as a run: where it stands in an experiment, how it ended, how it was judged.';
grant select on table ledger_private.runs to ledger_admin;
grant select on table ledger_private.runs to ledger_auditor;
grant select on table ledger_private.runs to ledger_writer;

create table ledger_private.tenants (
  tenant_id text not null,
  settings jsonb not null default '{}'::jsonb,
  frozen_pools integer not null default 0,
  created_at timestamp with time zone not null default clock_timestamp(),
  price_book text,
  constraint tenants_frozen_pools_not_negative CHECK ((frozen_pools >= 0)),
  constraint tenants_id_short CHECK ((((char_length(tenant_id) >= 1) AND (char_length(tenant_id) <= 200)) AND (tenant_id <> '*'::text))),
  constraint tenants_settings_object CHECK ((jsonb_typeof(settings) = 'object'::text)),
  constraint tenants_price_book_fkey FOREIGN KEY (tenant_id, price_book) REFERENCES ledger_private.price_books(tenant_id, book),
  constraint tenants_pkey PRIMARY KEY (tenant_id)
);
alter table ledger_private.tenants enable row level security;
alter table ledger_private.tenants force row level security;
create policy owner_all on ledger_private.tenants as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.tenants as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.tenants as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.tenants owner to ledger_owner;
comment on table ledger_private.tenants is 'Isolation and billing unit. frozen_pools lets a spawn skip the walk up the tree while nothing is frozen.';
comment on column ledger_private.tenants.price_book is 'The book that calls without a receipt are priced from; null = none.';
grant select on table ledger_private.tenants to ledger_admin;
grant select on table ledger_private.tenants to ledger_auditor;
grant select on table ledger_private.tenants to ledger_writer;

create table ledger_private.usage_lines (
  tenant_id text not null,
  pool_id text not null,
  seq bigint not null,
  line integer not null,
  provider text,
  model text,
  provider_request_id text,
  iterations numeric(38,0) not null default 0,
  input_tokens numeric(38,0) not null default 0,
  output_tokens numeric(38,0) not null default 0,
  cache_read_tokens numeric(38,0) not null default 0,
  cache_write_tokens numeric(38,0) not null default 0,
  reasoning_tokens numeric(38,0) not null default 0,
  charged_tokens numeric(38,0) not null default 0,
  usd numeric(38,12),
  ms numeric(38,0) not null default 0,
  uncertain_usd numeric(38,12) not null default 0,
  tokens_known boolean not null,
  usd_known boolean not null,
  resources jsonb,
  correction boolean not null default false,
  cache_write_1h_tokens numeric(38,0) not null default 0,
  constraint usage_lines_amounts_finite CHECK ((GREATEST(iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, charged_tokens, usd, ms, uncertain_usd) < 'Infinity'::numeric)),
  constraint usage_lines_cache_within_input CHECK ((correction OR ((cache_read_tokens + cache_write_tokens) <= input_tokens))),
  constraint usage_lines_cache_write_1h_within_cache_write CHECK (((cache_write_1h_tokens < 'Infinity'::numeric) AND (correction OR ((cache_write_1h_tokens >= (0)::numeric) AND (cache_write_1h_tokens <= cache_write_tokens))))),
  constraint usage_lines_line_not_negative CHECK ((line >= 0)),
  constraint usage_lines_not_negative CHECK ((correction OR (LEAST(iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, charged_tokens, usd, ms, uncertain_usd) >= (0)::numeric))),
  constraint usage_lines_reasoning_within_output CHECK ((correction OR (reasoning_tokens <= output_tokens))),
  constraint usage_lines_uncertain_within_usd CHECK ((correction OR (uncertain_usd <= COALESCE(usd, (0)::numeric)))),
  constraint usage_lines_event_fkey FOREIGN KEY (tenant_id, pool_id, seq) REFERENCES ledger_private.journal(tenant_id, pool_id, seq),
  constraint usage_lines_pkey PRIMARY KEY (tenant_id, pool_id, seq, line)
) with (autovacuum_vacuum_scale_factor=0.05, autovacuum_vacuum_insert_scale_factor=0.05);
CREATE TRIGGER usage_lines_append_only BEFORE UPDATE ON ledger_private.usage_lines FOR EACH ROW EXECUTE FUNCTION ledger_private.tg_journal__append_only();
CREATE TRIGGER usage_lines_leave AFTER DELETE ON ledger_private.usage_lines REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ledger_private.tg_usage_lines__leave();
CREATE TRIGGER usage_lines_no_truncate BEFORE TRUNCATE ON ledger_private.usage_lines FOR EACH STATEMENT EXECUTE FUNCTION ledger_private.tg_journal__append_only();
alter table ledger_private.usage_lines enable row level security;
alter table ledger_private.usage_lines force row level security;
create policy owner_all on ledger_private.usage_lines as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.usage_lines as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.usage_lines as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.usage_lines owner to ledger_owner;
comment on table ledger_private.usage_lines is 'The calls and models one settlement spans; they add up to its journal row.';
comment on column ledger_private.usage_lines.correction is 'A line of a correction: what it adds to the lines before, which may be negative.';
grant select on table ledger_private.usage_lines to ledger_admin;
grant select on table ledger_private.usage_lines to ledger_auditor;
grant select on table ledger_private.usage_lines to ledger_writer;

create table ledger_private.usage_lines_archive (
  tenant_id text not null,
  pool_id text not null,
  seq bigint not null,
  line integer not null,
  provider text,
  model text,
  provider_request_id text,
  iterations numeric(38,0) not null,
  input_tokens numeric(38,0) not null,
  output_tokens numeric(38,0) not null,
  cache_read_tokens numeric(38,0) not null,
  cache_write_tokens numeric(38,0) not null,
  reasoning_tokens numeric(38,0) not null,
  charged_tokens numeric(38,0) not null,
  usd numeric(38,12),
  ms numeric(38,0) not null,
  uncertain_usd numeric(38,12) not null,
  tokens_known boolean not null,
  usd_known boolean not null,
  resources jsonb,
  correction boolean not null,
  cache_write_1h_tokens numeric(38,0) not null,
  constraint usage_lines_archive_pkey PRIMARY KEY (tenant_id, pool_id, seq, line)
);
CREATE TRIGGER usage_lines_archive_append_only BEFORE DELETE OR UPDATE ON ledger_private.usage_lines_archive FOR EACH ROW EXECUTE FUNCTION ledger_private.tg_journal__append_only();
CREATE TRIGGER usage_lines_archive_enter AFTER INSERT ON ledger_private.usage_lines_archive REFERENCING NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION ledger_private.tg_usage_lines_archive__enter();
CREATE TRIGGER usage_lines_archive_no_truncate BEFORE TRUNCATE ON ledger_private.usage_lines_archive FOR EACH STATEMENT EXECUTE FUNCTION ledger_private.tg_journal__append_only();
alter table ledger_private.usage_lines_archive enable row level security;
alter table ledger_private.usage_lines_archive force row level security;
create policy owner_all on ledger_private.usage_lines_archive as permissive for all to ledger_owner using (true) with check (true);
create policy reader_all on ledger_private.usage_lines_archive as permissive for select to ledger_admin, ledger_all_tenants using ((( SELECT ledger.caller_tenant() AS caller_tenant) = '*'::text));
create policy reader_one on ledger_private.usage_lines_archive as permissive for select to ledger_auditor, ledger_writer using ((tenant_id = ( SELECT ledger.caller_tenant() AS caller_tenant)));
alter table ledger_private.usage_lines_archive owner to ledger_owner;
grant select on table ledger_private.usage_lines_archive to ledger_admin;
grant select on table ledger_private.usage_lines_archive to ledger_auditor;
grant select on table ledger_private.usage_lines_archive to ledger_writer;

-- Functions and procedures

CREATE OR REPLACE FUNCTION ledger.announce(p_tenant_id text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  perform pg_notify(ledger_private.channel_of(p_tenant_id), '');
end;
$function$;
alter function ledger.announce(text) owner to ledger_owner;
comment on function ledger.announce(text) is 'Hints to the followers of a tenant that something may have moved.';
grant execute on function ledger.announce(text) to ledger_admin;
grant execute on function ledger.announce(text) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.apply(p_tenant_id text, p_operations jsonb, p_atomic boolean DEFAULT false)
 RETURNS TABLE("position" integer, status text, code text, result jsonb)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return query
    select a.position, a.status, a.code, a.result
    from jsonb_to_recordset(ledger.apply_as_json(p_tenant_id, p_operations, p_atomic))
      a ("position" integer, status text, code text, result jsonb)
    order by a.position;
end;
$function$;
alter function ledger.apply(text,jsonb,boolean) owner to ledger_owner;
comment on function ledger.apply(text,jsonb,boolean) is 'Applies an ordered batch of operations; one answer per operation.';
grant execute on function ledger.apply(text,jsonb,boolean) to ledger_admin;
grant execute on function ledger.apply(text,jsonb,boolean) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.apply_as_json(p_tenant_id text, p_operations jsonb, p_atomic boolean DEFAULT false, p_locked boolean DEFAULT false)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
declare
  v_answers ledger_private.answer[];
  v_answer ledger_private.answer;
  v_folded jsonb;
  v_size constant integer := case when jsonb_typeof(p_operations) = 'array' then jsonb_array_length(p_operations) end;
begin
  if current_setting('transaction_isolation') <> 'serializable' or not ledger_private.is_bound(p_tenant_id) then
    perform ledger_private.assert_writable(p_tenant_id);
  end if;
  if p_locked is not true or v_size is null or v_size > 1000 then -- which it complains about
    perform ledger_private.lock_all(p_tenant_id, p_operations);
  end if;
  if v_size = 1 then
    v_answer := ledger_private.perform_alone(p_tenant_id, p_operations -> 0, clock_timestamp());
    v_answers := array[v_answer];
  else
    v_folded := ledger_private.fold_common(p_tenant_id, p_operations, clock_timestamp());
    if v_folded is not null then
      return v_folded;
    end if;
    v_answers := ledger_private.apply_batch(
      p_tenant_id, array(select e.operation from jsonb_array_elements(p_operations) with ordinality e (operation, n) order by e.n), clock_timestamp()
    );
  end if;
  if p_atomic then
    perform ledger_private.assert_all_ok(v_answers);
  end if;
  if v_answer.status in ('ok', 'replayed') then -- the one of a batch of one: worked out by itself, it takes half of what the query takes
    return jsonb_build_array(jsonb_build_object(
      'position', 0, 'status', v_answer.status, 'code', v_answer.code,
      'result', jsonb_build_object('pool_id', v_answer.pool_id, 'seq', v_answer.seq) || coalesce(v_answer.result, '{}')
    ));
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
$function$;
alter function ledger.apply_as_json(text,jsonb,boolean,boolean) owner to ledger_owner;
comment on function ledger.apply_as_json(text,jsonb,boolean,boolean) is 'ledger.apply with its answers as one JSON array, as ledger.submit gives them.';
grant execute on function ledger.apply_as_json(text,jsonb,boolean,boolean) to ledger_admin;
grant execute on function ledger.apply_as_json(text,jsonb,boolean,boolean) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.apply_one(p_tenant_id text, p_operation jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_answer record;
begin
  select * into strict v_answer from ledger.apply(p_tenant_id, jsonb_build_array(p_operation));
  if v_answer.status = 'error' then
    perform ledger_private.raise_error(v_answer.code, v_answer.result);
  end if;
  return jsonb_build_object('status', v_answer.status, 'code', v_answer.code, 'result', v_answer.result);
end;
$function$;
alter function ledger.apply_one(text,jsonb) owner to ledger_owner;
comment on function ledger.apply_one(text,jsonb) is 'Applies one operation; raises an error, returns a refusal.';
grant execute on function ledger.apply_one(text,jsonb) to ledger_admin;
grant execute on function ledger.apply_one(text,jsonb) to ledger_writer;

CREATE OR REPLACE PROCEDURE ledger.archive_run(IN p_tenant_id text, IN p_run_id text, IN p_heads jsonb, IN p_export_digest text, INOUT p_result jsonb DEFAULT NULL::jsonb)
 LANGUAGE plpgsql
AS $procedure$
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
$procedure$;
alter procedure ledger.archive_run(text,text,jsonb,text,jsonb) owner to ledger_owner;
comment on procedure ledger.archive_run(text,text,jsonb,text,jsonb) is 'Moves the journal of a closed run to the archive, as an export holds it, in short transactions.';
grant execute on procedure ledger.archive_run(text,text,jsonb,text,jsonb) to ledger_admin;

CREATE OR REPLACE FUNCTION ledger.archive_some(p_tenant_id text, p_run_id text, p_heads jsonb, p_export_digest text, p_after bigint DEFAULT NULL::bigint)
 RETURNS TABLE(moved bigint, next_after bigint, more boolean)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
AS $function$
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
$function$;
alter function ledger.archive_some(text,text,jsonb,text,bigint) owner to ledger_owner;
comment on function ledger.archive_some(text,text,jsonb,text,bigint) is 'Moves some events of a closed run to the archive; one step of ledger.archive_run.';
grant execute on function ledger.archive_some(text,text,jsonb,text,bigint) to ledger_admin;

CREATE OR REPLACE FUNCTION ledger.balance_at(p_tenant_id text, p_pool_id text, p_at timestamp with time zone, p_by text DEFAULT 'recorded'::text)
 RETURNS TABLE(tenant_id text, pool_id text, channel text, unit text, capped boolean, total numeric, free numeric, reserved numeric, committed numeric, uncertain numeric)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET max_parallel_workers_per_gather TO '0'
AS $function$
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
$function$;
alter function ledger.balance_at(text,text,timestamp with time zone,text) owner to ledger_owner;
comment on function ledger.balance_at(text,text,timestamp with time zone,text) is 'The channels of a pool as of an instant, by recorded or by effective time, summed from the journal.';
grant execute on function ledger.balance_at(text,text,timestamp with time zone,text) to ledger_admin;
grant execute on function ledger.balance_at(text,text,timestamp with time zone,text) to ledger_auditor;
grant execute on function ledger.balance_at(text,text,timestamp with time zone,text) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.bind_role(p_role text, p_tenant_id text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
alter function ledger.bind_role(text,text) owner to ledger_owner;
comment on function ledger.bind_role(text,text) is 'Binds a login role to one tenant, or to all (*).';
grant execute on function ledger.bind_role(text,text) to ledger_admin;

CREATE OR REPLACE FUNCTION ledger.caller_tenant()
 RETURNS text
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if pg_has_role(session_user, 'ledger_admin', 'usage') or pg_has_role(session_user, 'ledger_owner', 'usage') then
    return '*';
  end if;
  return (select b.tenant_id from ledger_private.role_bindings b where b.role_name = session_user);
end;
$function$;
alter function ledger.caller_tenant() owner to ledger_owner;
comment on function ledger.caller_tenant() is 'The tenant this login role acts for; * = all, null = none.';
grant execute on function ledger.caller_tenant() to ledger_admin;
grant execute on function ledger.caller_tenant() to ledger_auditor;
grant execute on function ledger.caller_tenant() to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.compare_arms(p_tenant_id text, p_experiment text, p_arm_a text, p_arm_b text, p_tolerance numeric DEFAULT 0.05)
 RETURNS TABLE(experiment text, arm_a text, arm_b text, verdict text, reason text, runs_a bigint, runs_b bigint, errored_a bigint, errored_b bigint, unjudged_a bigint, unjudged_b bigint, resolved_a bigint, resolved_b bigint, rate_a numeric, rate_b numeric, pairs bigint, both_resolved bigint, only_a bigint, only_b bigint, neither bigint, p_value numeric)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET jit TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
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
$function$;
alter function ledger.compare_arms(text,text,text,text,numeric) owner to ledger_owner;
comment on function ledger.compare_arms(text,text,text,text,numeric) is 'Outcomes of two arms, paired; refused unless the gate is equal.';
grant execute on function ledger.compare_arms(text,text,text,text,numeric) to ledger_admin;
grant execute on function ledger.compare_arms(text,text,text,text,numeric) to ledger_auditor;
grant execute on function ledger.compare_arms(text,text,text,text,numeric) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.create_tenant(p_tenant_id text, p_settings jsonb DEFAULT '{}'::jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
alter function ledger.create_tenant(text,jsonb) owner to ledger_owner;
comment on function ledger.create_tenant(text,jsonb) is 'Makes a tenant; idempotent.';
grant execute on function ledger.create_tenant(text,jsonb) to ledger_admin;

CREATE OR REPLACE FUNCTION ledger.equal_k(p_tenant_id text, p_experiment text, p_tolerance numeric DEFAULT 0.05)
 RETURNS TABLE(channel text, verdict text, spread numeric, median numeric, fraction numeric, tolerance numeric, reason text, arms jsonb, plan jsonb)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET jit TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  return query
  select g.channel, g.verdict, g.spread, g.median, g.fraction, g.tolerance, g.reason, g.arms, g.plan
  from ledger_private.gate(p_tenant_id, p_experiment, p_tolerance, false) g;
end;
$function$;
alter function ledger.equal_k(text,text,numeric) owner to ledger_owner;
comment on function ledger.equal_k(text,text,numeric) is 'Whether arms cost the same within a tolerance: per channel and for all.';
grant execute on function ledger.equal_k(text,text,numeric) to ledger_admin;
grant execute on function ledger.equal_k(text,text,numeric) to ledger_auditor;
grant execute on function ledger.equal_k(text,text,numeric) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.equal_k_by_task(p_tenant_id text, p_experiment text, p_tolerance numeric DEFAULT 0.05)
 RETURNS TABLE(task text, channel text, verdict text, spread numeric, median numeric, fraction numeric, tolerance numeric, reason text, arms jsonb, plan jsonb)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET jit TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  return query
  select g.task, g.channel, g.verdict, g.spread, g.median, g.fraction, g.tolerance, g.reason, g.arms, g.plan
  from ledger_private.gate(p_tenant_id, p_experiment, p_tolerance, true) g;
end;
$function$;
alter function ledger.equal_k_by_task(text,text,numeric) owner to ledger_owner;
comment on function ledger.equal_k_by_task(text,text,numeric) is 'Whether arms cost the same within a tolerance, task by task.';
grant execute on function ledger.equal_k_by_task(text,text,numeric) to ledger_admin;
grant execute on function ledger.equal_k_by_task(text,text,numeric) to ledger_auditor;
grant execute on function ledger.equal_k_by_task(text,text,numeric) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.error_codes()
 RETURNS TABLE("position" integer, code text, name text, whole_call boolean, retryable boolean, meaning text)
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
alter function ledger.error_codes() owner to ledger_owner;
comment on function ledger.error_codes() is 'SQLSTATEs of the ledger in the order they are checked, and which of them may be retried.';
grant execute on function ledger.error_codes() to ledger_admin;
grant execute on function ledger.error_codes() to ledger_auditor;
grant execute on function ledger.error_codes() to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.estimate_of(p_tenant_id text, p_provider text, p_model text, p_input_tokens numeric, p_output_tokens numeric)
 RETURNS numeric
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_book text;
begin
  select b.book into v_book from ledger.price_books b where b.tenant_id = p_tenant_id and b.current;
  return (
    select e.p_usd
    from ledger.price_of(
      ledger.rates_of(p_tenant_id, v_book, p_provider, p_model), statement_timestamp(), p_input_tokens, p_output_tokens, 0, 0, 0, 0
    ) e
  );
end;
$function$;
alter function ledger.estimate_of(text,text,text,numeric,numeric) owner to ledger_owner;
comment on function ledger.estimate_of(text,text,text,numeric,numeric) is 'What a call would cost at the current book''s prices now, without a cache: dollars; null = unknown.';
grant execute on function ledger.estimate_of(text,text,text,numeric,numeric) to ledger_admin;
grant execute on function ledger.estimate_of(text,text,text,numeric,numeric) to ledger_auditor;
grant execute on function ledger.estimate_of(text,text,text,numeric,numeric) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.events(p_tenant_id text, p_after jsonb DEFAULT '{}'::jsonb, p_limit integer DEFAULT 1000, p_run_id text DEFAULT NULL::text, p_pool_id text DEFAULT NULL::text)
 RETURNS TABLE(pool_id text, seq bigint, place integer)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
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
$function$;
alter function ledger.events(text,jsonb,integer,text,text) owner to ledger_owner;
comment on function ledger.events(text,jsonb,integer,text,text) is 'What has happened since a cursor: places in the journal, gap-free per pool, pools merged by time.';
grant execute on function ledger.events(text,jsonb,integer,text,text) to ledger_admin;
grant execute on function ledger.events(text,jsonb,integer,text,text) to ledger_auditor;
grant execute on function ledger.events(text,jsonb,integer,text,text) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.follow(p_tenant_id text)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_channel constant text := ledger_private.channel_of(p_tenant_id);
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  execute format('listen %I', v_channel);
  return v_channel;
end;
$function$;
alter function ledger.follow(text) owner to ledger_owner;
comment on function ledger.follow(text) is 'Listens for hints that a tenant''s pools have moved; returns the channel.';
grant execute on function ledger.follow(text) to ledger_admin;
grant execute on function ledger.follow(text) to ledger_auditor;
grant execute on function ledger.follow(text) to ledger_writer;

CREATE OR REPLACE PROCEDURE ledger.lock_pools(IN p_tenant_id text, IN p_pool_ids text[])
 LANGUAGE plpgsql
AS $procedure$
declare
  v_keys bigint[];
  v_key bigint;
begin
  loop
    commit; -- inside a transaction block this fails, before anything is locked
    set transaction isolation level read committed;
    v_keys := ledger.locks_of(p_tenant_id, p_pool_ids);
    foreach v_key in array v_keys loop
      perform pg_catalog.pg_advisory_xact_lock(v_key);
    end loop;
    exit when v_keys operator(pg_catalog.@>) ledger.locks_of(p_tenant_id, p_pool_ids);
  end loop;
  foreach v_key in array v_keys loop
    perform pg_catalog.pg_advisory_lock(v_key);
  end loop;
  commit;
end;
$procedure$;
alter procedure ledger.lock_pools(text,text[]) owner to ledger_owner;
comment on procedure ledger.lock_pools(text,text[]) is 'Takes the locks of a serializable transaction over these pools before it begins; ledger.take_over hands them to it.';
grant execute on procedure ledger.lock_pools(text,text[]) to ledger_admin;
grant execute on procedure ledger.lock_pools(text,text[]) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.locks_for(p_tenant_id text, p_operations jsonb)
 RETURNS bigint[]
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
begin
  if not ledger_private.is_bound(p_tenant_id) then
    perform ledger_private.assert_tenant(p_tenant_id);
  end if;
  return ledger_private.lock_keys(p_tenant_id, p_operations);
end;
$function$;
alter function ledger.locks_for(text,jsonb) owner to ledger_owner;
comment on function ledger.locks_for(text,jsonb) is 'The advisory keys a batch of operations locks, in lock order.';
grant execute on function ledger.locks_for(text,jsonb) to ledger_admin;
grant execute on function ledger.locks_for(text,jsonb) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.locks_of(p_tenant_id text, p_pool_ids text[])
 RETURNS bigint[]
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
declare
  v_unknown text;
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  if p_pool_ids is null or array_position(p_pool_ids, null) is not null or cardinality(p_pool_ids) > 1000 then
    perform ledger_private.raise_error('LG001', '{"path": "p_pool_ids", "rule": "must be a list of at most 1000 pools"}');
  end if;
  foreach v_unknown in array p_pool_ids loop
    continue when (ledger_private.find_pool(p_tenant_id, v_unknown)).pool_id is not null;
    perform ledger_private.raise_error(
      'LG002', jsonb_build_object('path', 'p_pool_ids', 'rule', format('there is no pool %s', v_unknown))
    );
  end loop;
  return ledger_private.lock_keys(p_tenant_id, (
    select coalesce(jsonb_agg(jsonb_build_object('op', 'close_pool', 'pool_id', i.pool_id)), '[]') from unnest(p_pool_ids) i (pool_id)
  ));
end;
$function$;
alter function ledger.locks_of(text,text[]) owner to ledger_owner;
comment on function ledger.locks_of(text,text[]) is 'The advisory keys that a transaction over these pools holds, in lock order.';
grant execute on function ledger.locks_of(text,text[]) to ledger_admin;
grant execute on function ledger.locks_of(text,text[]) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.note_retries(p_tenant_id text, p_retries integer)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
alter function ledger.note_retries(text,integer) owner to ledger_owner;
comment on function ledger.note_retries(text,integer) is 'Adds to the count of calls that a client of the tenant had to repeat.';
grant execute on function ledger.note_retries(text,integer) to ledger_admin;
grant execute on function ledger.note_retries(text,integer) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.pools_of(p_tenant_id text, p_operations jsonb)
 RETURNS TABLE(pool_id text, lock_key bigint)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET jit TO 'off'
AS $function$
begin
  perform ledger_private.assert_tenant(p_tenant_id);
  return query
    select l.pool_id, ledger_private.lock_key(p_tenant_id, l.pool_id)
    from unnest(ledger_private.pools_locked(p_tenant_id, p_operations)) l (pool_id)
    order by 2, 1;
end;
$function$;
alter function ledger.pools_of(text,jsonb) owner to ledger_owner;
comment on function ledger.pools_of(text,jsonb) is 'The pools a batch of operations locks, in lock order, with their advisory keys.';
grant execute on function ledger.pools_of(text,jsonb) to ledger_admin;
grant execute on function ledger.pools_of(text,jsonb) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.price_of(p_rates jsonb, p_at timestamp with time zone, p_input_tokens numeric, p_output_tokens numeric, p_cache_read_tokens numeric, p_cache_write_tokens numeric, p_cache_write_hour_tokens numeric, p_reasoning_tokens numeric, OUT p_usd numeric, OUT p_free boolean)
 RETURNS record
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
alter function ledger.price_of(jsonb,timestamp with time zone,numeric,numeric,numeric,numeric,numeric,numeric) owner to ledger_owner;
comment on function ledger.price_of(jsonb,timestamp with time zone,numeric,numeric,numeric,numeric,numeric,numeric) is 'What a call costs under the rates of its model: dollars (null = unknown), and whether the model is free.';
grant execute on function ledger.price_of(jsonb,timestamp with time zone,numeric,numeric,numeric,numeric,numeric,numeric) to ledger_admin;
grant execute on function ledger.price_of(jsonb,timestamp with time zone,numeric,numeric,numeric,numeric,numeric,numeric) to ledger_auditor;
grant execute on function ledger.price_of(jsonb,timestamp with time zone,numeric,numeric,numeric,numeric,numeric,numeric) to ledger_writer;

CREATE OR REPLACE PROCEDURE ledger.prune(IN p_tenant_id text, IN p_older_than interval DEFAULT NULL::interval, IN p_from bigint DEFAULT 0, IN p_blocks bigint DEFAULT NULL::bigint, INOUT p_result jsonb DEFAULT NULL::jsonb)
 LANGUAGE plpgsql
AS $procedure$
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
$procedure$;
alter procedure ledger.prune(text,interval,bigint,bigint,jsonb) owner to ledger_owner;
comment on procedure ledger.prune(text,interval,bigint,bigint,jsonb) is 'Deletes operations older than the replay window, in short transactions; null = all tenants.';
grant execute on procedure ledger.prune(text,interval,bigint,bigint,jsonb) to ledger_admin;

CREATE OR REPLACE FUNCTION ledger.prune_some(p_tenant_id text, p_older_than interval DEFAULT NULL::interval, p_from bigint DEFAULT 0, p_blocks bigint DEFAULT 256)
 RETURNS TABLE(pruned bigint, next_block bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
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
$function$;
alter function ledger.prune_some(text,interval,bigint,bigint) owner to ledger_owner;
comment on function ledger.prune_some(text,interval,bigint,bigint) is 'Deletes operations older than the replay window from one stretch of the table; one step of ledger.prune.';
grant execute on function ledger.prune_some(text,interval,bigint,bigint) to ledger_admin;

CREATE OR REPLACE FUNCTION ledger.put_blob(p_tenant_id text, p_body bytea)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
alter function ledger.put_blob(text,bytea) owner to ledger_owner;
comment on function ledger.put_blob(text,bytea) is 'Stores an artifact by content; returns sha256:<hex>.';
grant execute on function ledger.put_blob(text,bytea) to ledger_admin;
grant execute on function ledger.put_blob(text,bytea) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.put_prices(p_tenant_id text, p_book text, p_prices jsonb, p_source text DEFAULT NULL::text)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
alter function ledger.put_prices(text,text,jsonb,text) owner to ledger_owner;
comment on function ledger.put_prices(text,text,jsonb,text) is 'Writes a price book, once; returns the number of its prices.';
grant execute on function ledger.put_prices(text,text,jsonb,text) to ledger_admin;
grant execute on function ledger.put_prices(text,text,jsonb,text) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.rates_of(p_tenant_id text, p_book text, p_provider text, p_model text)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
alter function ledger.rates_of(text,text,text,text) owner to ledger_owner;
comment on function ledger.rates_of(text,text,text,text) is 'The rates a book has for a model, per token class; null = not in the book.';
grant execute on function ledger.rates_of(text,text,text,text) to ledger_admin;
grant execute on function ledger.rates_of(text,text,text,text) to ledger_auditor;
grant execute on function ledger.rates_of(text,text,text,text) to ledger_writer;

CREATE OR REPLACE PROCEDURE ledger.submit(IN p_tenant_id text, IN p_operations jsonb, IN p_atomic boolean, INOUT p_results jsonb)
 LANGUAGE plpgsql
AS $procedure$
declare
  v_keys bigint[];
  v_key bigint;
  v_waited boolean;
  v_ours boolean;
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
    v_ours := pg_catalog.pg_try_advisory_lock(v_key);
  end loop;
  commit;
  set transaction isolation level serializable;
  foreach v_key in array v_keys loop
    v_ours := pg_catalog.pg_try_advisory_xact_lock(v_key);
  end loop;
  foreach v_key in array v_keys loop
    v_ours := pg_catalog.pg_advisory_unlock(v_key);
  end loop;
  p_results := ledger.apply_as_json(p_tenant_id, p_operations, coalesce(p_atomic, false), true);
end;
$procedure$;
alter procedure ledger.submit(text,jsonb,boolean,jsonb) owner to ledger_owner;
comment on procedure ledger.submit(text,jsonb,boolean,jsonb) is 'Applies a batch in its own serializable transaction, locks first, one round trip.';
grant execute on procedure ledger.submit(text,jsonb,boolean,jsonb) to ledger_admin;
grant execute on procedure ledger.submit(text,jsonb,boolean,jsonb) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.take_over(p_tenant_id text, p_pool_ids text[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_keys bigint[];
  v_key bigint;
  v_held boolean := true;
begin
  perform ledger_private.assert_writable(p_tenant_id);
  v_keys := ledger.locks_of(p_tenant_id, p_pool_ids);
  foreach v_key in array v_keys loop
    perform pg_advisory_xact_lock(v_key);
  end loop;
  foreach v_key in array v_keys loop
    v_held := pg_advisory_unlock(v_key) and v_held;
  end loop;
  if not v_held then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'these pools were not locked by this session',
      hint = 'CALL ledger.lock_pools with the same pools on this connection first; after an error in between, close it';
  end if;
end;
$function$;
alter function ledger.take_over(text,text[]) owner to ledger_owner;
comment on function ledger.take_over(text,text[]) is 'Hands the locks of ledger.lock_pools to the caller''s transaction.';
grant execute on function ledger.take_over(text,text[]) to ledger_admin;
grant execute on function ledger.take_over(text,text[]) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger.use_prices(p_tenant_id text, p_book text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
alter function ledger.use_prices(text,text) owner to ledger_owner;
comment on function ledger.use_prices(text,text) is 'Chooses the price book of a tenant; null = none.';
grant execute on function ledger.use_prices(text,text) to ledger_admin;
grant execute on function ledger.use_prices(text,text) to ledger_writer;

CREATE OR REPLACE FUNCTION ledger_private.amount(p_value jsonb)
 RETURNS numeric
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(p_value) WHEN 'number'::text THEN (p_value)::numeric WHEN 'string'::text THEN CASE WHEN ((p_value #>> '{}'::text[]) ~ '^-?[0-9]{1,30}([.][0-9]{1,30})?$'::text) THEN ((p_value #>> '{}'::text[]))::numeric ELSE NULL::numeric END ELSE NULL::numeric END;
alter function ledger_private.amount(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.apply_batch(p_tenant_id text, p_operations jsonb[], p_at timestamp with time zone)
 RETURNS ledger_private.answer[]
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.apply_batch(text,jsonb[],timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.as_called(p_event ledger_private.journal)
 RETURNS ledger_private.journal
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.as_called(ledger_private.journal) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.assert_all_ok(p_answers ledger_private.answer[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.assert_all_ok(ledger_private.answer[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.assert_arms(p_arms jsonb, p_arm_a text, p_arm_b text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.assert_arms(jsonb,text,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.assert_read_committed(p_hint text)
 RETURNS void
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'runs in read committed only',
      hint = p_hint;
  end if;
end;
$function$;
alter function ledger_private.assert_read_committed(text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.assert_tenant(p_tenant_id text)
 RETURNS void
 LANGUAGE plpgsql
 STABLE
AS $function$
declare
  v_mine text;
begin
  if ledger_private.is_bound(p_tenant_id) then
    return;
  end if;
  v_mine := ledger.caller_tenant();
  if v_mine is null or (v_mine <> '*' and v_mine is distinct from p_tenant_id) then
    perform ledger_private.raise_error('LG009', jsonb_build_object('role', session_user), 'an administrator binds roles with ledger.bind_role');
  elsif not exists (select from ledger_private.tenants t where t.tenant_id = p_tenant_id) then
    perform ledger_private.raise_error('LG012', jsonb_build_object('tenant_id', p_tenant_id), 'ledger.create_tenant makes it');
  end if;
end;
$function$;
alter function ledger_private.assert_tenant(text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.assert_writable(p_tenant_id text)
 RETURNS void
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  if current_setting('transaction_isolation') <> 'serializable' then
    perform ledger_private.raise_error(
      'LG006', '{}', 'CALL ledger.submit(...), or BEGIN ISOLATION LEVEL SERIALIZABLE'
    );
  end if;
  perform ledger_private.assert_tenant(p_tenant_id);
end;
$function$;
alter function ledger_private.assert_writable(text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.book(p_pool ledger_private.pools, p_event ledger_private.journal, p_moves ledger_private.move[], p_holds integer, p_children integer, p_ended integer, p_lease_at timestamp with time zone, OUT p_seq bigint, OUT p_before ledger_private.channels[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.book(ledger_private.pools,ledger_private.journal,ledger_private.move[],integer,integer,integer,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.book_plainly(p_tenant_id text, p_operation jsonb, p_priced jsonb, p_common boolean, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
declare
  v_spend constant jsonb := p_priced -> 'spend';
  v_operation_id constant text := p_operation ->> 'operation_id';
  v_pool_id text := p_operation ->> 'pool_id';
  v_node_id text := v_pool_id;
  v_place tid; -- of the node that is settled
  v_kind text := 'metered';
  v_outcome text;
  v_run_id text;
  v_tags jsonb;
  v_token_charge text;
  v_budget jsonb;
  v_hold jsonb;
  v_iterations numeric := v_spend -> 'iterations';
  v_input_tokens constant numeric := v_spend -> 'input_tokens';
  v_output_tokens constant numeric := v_spend -> 'output_tokens';
  v_cache_read_tokens numeric;
  v_cache_write_tokens numeric;
  v_cache_write_hour_tokens numeric;
  v_reasoning_tokens numeric;
  v_tokens numeric := v_input_tokens + v_output_tokens; -- those charged
  v_usd numeric := v_spend ->> 'usd';
  v_ms numeric := v_spend -> 'ms';
  v_tokens_held numeric := 0;
  v_iterations_held numeric := 0;
  v_usd_held numeric := 0;
  v_tokens_unknown integer;
  v_usd_unknown integer;
  v_usd_uncertain numeric;
  -- what is seldom said
  v_effective_at timestamptz := p_at;
  v_tool_calls jsonb;
  v_detail jsonb;
  v_verdict jsonb;
  v_reason text;
  v_infra boolean;
  -- how far it is
  v_step integer := 1; -- by which the pool's seq moves: one, and back again
  v_ended integer := 0; -- nodes that this ends
  v_channels text[] := '{tokens,iterations,usd}';
  v_moved integer;
  v_seq bigint;
begin
  if v_pool_id is not null then
    select p.run_id, p.tags, p.token_charge into v_run_id, v_tags, v_token_charge
    from ledger_private.pools p
    where p.tenant_id = p_tenant_id and p.pool_id = v_pool_id and p.state <> 'closed' and p.payers is null;
  else
    select n.node_id, n.ctid, p.pool_id, p.run_id, n.tags, p.token_charge, n.budget, n.hold
    into v_node_id, v_place, v_pool_id, v_run_id, v_tags, v_token_charge, v_budget, v_hold
    from ledger_private.nodes n
    cross join lateral (
      select p.* from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = n.parent_node_id limit 1
    ) p
    where n.tenant_id = p_tenant_id and n.node_id = p_operation ->> 'node_id' and not n.driver and n.ended_at is null
      and p.state <> 'closed' and p.payers is null and n.hold - '{tokens,iterations,usd}'::text[] = '{}';
    v_kind := 'settled';
    v_outcome := p_operation ->> 'outcome';
    v_ended := 1;
    v_tokens_held := coalesce((v_hold -> 'tokens')::numeric, 0);
    v_iterations_held := coalesce((v_hold -> 'iterations')::numeric, 0);
    v_usd_held := coalesce((v_hold -> 'usd')::numeric, 0);
  end if;
  if v_token_charge is null then
    return null;
  end if;
  if v_spend ?| '{cache_read_tokens,cache_write_tokens,cache_write_1h_tokens,reasoning_tokens}' then
    v_cache_read_tokens := v_spend -> 'cache_read_tokens';
    v_cache_write_tokens := v_spend -> 'cache_write_tokens';
    v_cache_write_hour_tokens := v_spend -> 'cache_write_1h_tokens';
    v_reasoning_tokens := v_spend -> 'reasoning_tokens';
    if not ledger_private.plain_amounts(
      v_input_tokens, v_output_tokens, v_cache_read_tokens, v_cache_write_tokens, v_cache_write_hour_tokens, v_reasoning_tokens
    ) then
      return null;
    elsif v_token_charge = 'uncached' then
      v_tokens := v_tokens - coalesce(v_cache_read_tokens, 0);
    end if;
  end if;
  if p_operation ? 'tags' then
    v_tags := ledger_private.tags_of(v_tags, p_operation -> 'tags');
  end if;
  if not p_common then
    v_effective_at := coalesce((p_operation ->> 'effective_at')::timestamptz, p_at);
    v_tool_calls := p_operation -> 'tool_calls';
    v_detail := ledger_private.detail_of(p_priced);
    v_verdict := p_operation -> 'verdict';
    v_reason := p_operation ->> 'reason';
    v_infra := p_operation -> 'infra';
    if v_spend -> 'tokens_known' = 'false' then
      v_tokens_unknown := 1;
    end if;
    if v_spend -> 'usd_known' = 'false' then
      v_usd := coalesce(v_usd, ledger_private.amount(v_budget -> 'usd'));
      v_usd_uncertain := nullif(v_usd, 0);
      v_usd_unknown := 1;
      if v_usd is null then
        return null;
      end if;
    end if;
  end if;
  if v_iterations + v_iterations_held = 0 then
    v_channels := '{tokens,usd}';
  end if;

  -- what turns out late is taken back by the same statements: in a subtransaction a row that was written would still count as read
  loop
    update ledger_private.channels c
    set reserved = c.reserved - case c.channel when 'tokens' then v_tokens_held when 'usd' then v_usd_held else v_iterations_held end,
      committed = c.committed + case c.channel when 'tokens' then v_tokens when 'usd' then v_usd else v_iterations end,
      free = c.free + case c.channel
        when 'tokens' then v_tokens_held - v_tokens when 'usd' then v_usd_held - v_usd else v_iterations_held - v_iterations end
    where c.tenant_id = p_tenant_id and c.pool_id = v_pool_id and c.channel = any (v_channels) and c.seals = 0;
    get diagnostics v_moved = row_count;
    update ledger_private.pool_heads h
    set seq = h.seq + v_step, open_holds = h.open_holds - v_ended, undelivered = h.undelivered + v_ended
    where h.tenant_id = p_tenant_id and h.pool_id = v_pool_id
    returning h.seq into strict v_seq;
    if v_step < 0 then
      return null;
    end if;
    if v_moved = cardinality(v_channels) then -- else a row is sealed
      insert into ledger_private.operations (tenant_id, operation_id, digest, pool_id, seq, at)
      values (p_tenant_id, v_operation_id, ledger_private.digest_of(p_operation), v_pool_id, v_seq, p_at)
      on conflict do nothing;
      exit when found;
    end if;
    v_step := -1;
    v_ended := -v_ended;
    v_tokens := -v_tokens;
    v_tokens_held := -v_tokens_held;
    v_iterations := -v_iterations;
    v_iterations_held := -v_iterations_held;
    v_usd := -v_usd;
    v_usd_held := -v_usd_held;
  end loop;

  if v_tokens_unknown is not null or v_usd_unknown is not null then
    update ledger_private.channels c
    set uncertain = c.uncertain + case when c.channel = 'usd' then coalesce(v_usd_uncertain, 0) else 0 end,
      unknown = c.unknown + coalesce(case c.channel when 'usd' then v_usd_unknown else v_tokens_unknown end, 0)
    where c.tenant_id = p_tenant_id and c.pool_id = v_pool_id and c.channel in ('tokens', 'usd');
  end if;
  if v_ended = 1 then
    update ledger_private.nodes n
    set status = v_outcome, terminal_seq = v_seq, ended_at = p_at, verdict = v_verdict,
      out_ref = p_operation ->> 'out_ref', reason = v_reason, infra = v_infra
    where n.ctid = v_place;
  end if;
  -- what an event does not use or move is null
  if least(v_cache_read_tokens, v_cache_write_tokens, v_cache_write_hour_tokens, v_reasoning_tokens, v_ms) = 0 then
    v_cache_read_tokens := nullif(v_cache_read_tokens, 0);
    v_cache_write_tokens := nullif(v_cache_write_tokens, 0);
    v_cache_write_hour_tokens := nullif(v_cache_write_hour_tokens, 0);
    v_reasoning_tokens := nullif(v_reasoning_tokens, 0);
    v_ms := nullif(v_ms, 0);
  end if;
  insert into ledger_private.journal (
    tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, tags,
    provider, model, provider_request_id, purpose, turn, tool_calls, detail, outcome, verdict, out_ref, reason, infra,
    iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, charged_tokens,
    usd, ms, uncertain_usd, tokens_known, usd_known, tokens_held, iterations_held, usd_held,
    tokens_spent, iterations_spent, usd_spent, usd_uncertain, tokens_unknown, usd_unknown
  ) values (
    p_tenant_id, v_pool_id, v_seq, v_kind, v_operation_id, p_at, v_effective_at, v_run_id, v_node_id, v_tags,
    p_operation ->> 'provider', p_operation ->> 'model', p_operation ->> 'provider_request_id', p_operation ->> 'purpose',
    (p_operation -> 'turn')::integer, v_tool_calls, v_detail, v_outcome, v_verdict, p_operation ->> 'out_ref', v_reason, v_infra,
    v_iterations, v_input_tokens, v_output_tokens, v_cache_read_tokens, v_cache_write_tokens, v_cache_write_hour_tokens, v_reasoning_tokens, v_tokens,
    v_usd, v_ms, v_usd_uncertain, v_tokens_unknown is null, v_usd_unknown is null,
    -nullif(v_tokens_held, 0), -nullif(v_iterations_held, 0), -nullif(v_usd_held, 0),
    nullif(v_tokens, 0), nullif(v_iterations, 0), nullif(v_usd, 0), v_usd_uncertain, v_tokens_unknown, v_usd_unknown
  );
  if v_ended = 0 then
    return row('ok', null, null, v_pool_id, v_seq)::ledger_private.answer;
  end if;
  return row('ok', null, ledger_private.ending_json(row(
    v_iterations, v_input_tokens, v_output_tokens, coalesce(v_cache_read_tokens, 0), coalesce(v_cache_write_tokens, 0),
    coalesce(v_reasoning_tokens, 0), v_tokens, v_usd, coalesce(v_ms, 0), 0, 0, coalesce(v_usd_uncertain, 0),
    v_tokens_unknown is null, v_usd_unknown is null, null, coalesce(v_tokens_unknown, 0), 0, coalesce(v_usd_unknown, 0), 0,
    coalesce(v_cache_write_hour_tokens, 0)
  )::ledger_private.usage, v_budget), v_pool_id, v_seq)::ledger_private.answer;
end;
$function$;
alter function ledger_private.book_plainly(text,jsonb,jsonb,boolean,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.book_steps(p_tenant_id text, p_steps ledger_private.step[], p_seqs bigint[], p_node_ids text[], p_drawn ledger_private.drawn[], p_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.book_steps(text,ledger_private.step[],bigint[],text[],ledger_private.drawn[],timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.booked_resources(p_event ledger_private.journal)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.booked_resources(ledger_private.journal) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.booked_usage(p_event ledger_private.journal)
 RETURNS ledger_private.usage
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.booked_usage(ledger_private.journal) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.carried_event(p_parent ledger_private.pools, p_event ledger_private.journal)
 RETURNS ledger_private.journal
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  v ledger_private.journal := ledger_private.event_for(p_parent, 'corrected', p_event, p_event.pool_id);
begin
  v := ledger_private.with_usage(v, ledger_private.usage_in(p_event));
  v.reason := p_event.reason;
  return v;
end;
$function$;
alter function ledger_private.carried_event(ledger_private.pools,ledger_private.journal) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.ceiling_usage(p_budget jsonb)
 RETURNS ledger_private.usage
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.ceiling_usage(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.change_of(p_pool ledger_private.pools, p_before ledger_private.channels[])
 RETURNS ledger_private.move[]
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.change_of(ledger_private.pools,ledger_private.channels[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.channel_of(p_tenant_id text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ('ledger_'::text || "left"(encode(sha256(convert_to(('agent-ledger/'::text || p_tenant_id), 'UTF8'::name)), 'hex'::text), 40));
alter function ledger_private.channel_of(text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.channel_order(p_channel text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (CASE p_channel WHEN 'tokens'::text THEN '0'::text WHEN 'iterations'::text THEN '1'::text WHEN 'usd'::text THEN '2'::text ELSE ('3'::text || p_channel) END COLLATE "C");
alter function ledger_private.channel_order(text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.channels_of(p_budget jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
begin
  return coalesce((select jsonb_object_agg(b.key, jsonb_build_object('total', b.value)) from jsonb_each(p_budget) b), '{}');
end;
$function$;
alter function ledger_private.channels_of(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.charged_json(p_spend jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.charged_json(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.claim(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS tid
 LANGUAGE plpgsql
AS $function$
declare
  v_place tid;
begin
  insert into ledger_private.operations (tenant_id, operation_id, digest, at)
  values (p_tenant_id, p_operation ->> 'operation_id', ledger_private.digest_of(p_operation), p_at)
  on conflict do nothing
  returning ctid into v_place;
  return v_place;
end;
$function$;
alter function ledger_private.claim(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.claim_steps(p_tenant_id text, p_steps ledger_private.step[], p_seqs bigint[], p_node_ids text[], p_at timestamp with time zone, OUT p_stop integer, OUT p_operations tid[], OUT p_nodes tid[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.claim_steps(text,ledger_private.step[],bigint[],text[],timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.common_meter(p_operation jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((p_operation - '{op,operation_id,pool_id,provider,model,provider_request_id,purpose,turn,spend,tags}'::text[]) = '{}'::jsonb) AND (p_operation ?& '{operation_id,pool_id}'::text[]) AND ledger_private.common_texts((p_operation - '{turn,spend,tags}'::text[])) AND ledger_private.common_spend((p_operation -> 'spend'::text)) AND (p_operation @@ '((($."spend"."usd".type() == "string" && $."spend"."usd" like_regex "^[0-9]{1,15}([.][0-9]{1,12})?$") && !((($."turn".type() != "number" || $."turn" < 0) || $."turn" > 2147483647) || $."turn" != $."turn".floor())) && !((($."purpose" != "turn" && $."purpose" != "compaction") && $."purpose" != "failed") && $."purpose" != "tool"))'::jsonpath));
alter function ledger_private.common_meter(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.common_settle(p_operation jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((p_operation - '{op,operation_id,node_id,outcome,provider,model,provider_request_id,purpose,out_ref,spend,tags}'::text[]) = '{}'::jsonb) AND (p_operation ?& '{operation_id,node_id}'::text[]) AND ledger_private.common_texts((p_operation - '{spend,tags}'::text[])) AND ledger_private.common_spend((p_operation -> 'spend'::text)) AND (p_operation @@ '((($."spend"."usd".type() == "string" && $."spend"."usd" like_regex "^[0-9]{1,15}([.][0-9]{1,12})?$") && ($."outcome" == "done" || $."outcome" == "down")) && !((($."purpose" != "turn" && $."purpose" != "compaction") && $."purpose" != "failed") && $."purpose" != "tool"))'::jsonpath));
alter function ledger_private.common_settle(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.common_spawn(p_operation jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((p_operation - '{op,operation_id,pool_id,node_id,label,runtime,lease_ms,budget,tags}'::text[]) = '{}'::jsonb) AND (p_operation ?& '{operation_id,pool_id,label}'::text[]) AND ledger_private.common_texts((p_operation - '{lease_ms,budget,tags}'::text[])) AND (p_operation @@ '(($."budget".type() == "object" && (!(exists ($."budget"."usd")) || $."budget"."usd".type() == "string" && $."budget"."usd" like_regex "^[0-9]{1,15}([.][0-9]{1,12})?$")) && !((($."lease_ms".type() != "number" || $."lease_ms" < 1) || $."lease_ms" > 315360000000) || $."lease_ms" != $."lease_ms".floor()))'::jsonpath) AND (((p_operation -> 'budget'::text) - '{tokens,iterations,usd}'::text[]) = '{}'::jsonb) AND ((((p_operation -> 'budget'::text) - 'usd'::text))::text ~ '^{("[a-z]+": [0-9]{1,15}[,}] ?)*}?$'::text));
alter function ledger_private.common_spawn(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.common_spend(p_spend jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((p_spend ?& '{iterations,input_tokens,output_tokens}'::text[]) AND ((p_spend - '{iterations,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,reasoning_tokens,ms,usd}'::text[]) = '{}'::jsonb) AND (((p_spend - 'usd'::text))::text ~ '^{("[a-z_]+": [0-9]{1,15}[,}] ?)+$'::text));
alter function ledger_private.common_spend(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.common_tags(p_tags jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((char_length((p_tags)::text) <= 70) AND ((p_tags)::text ~ '^{("[^"\\[:cntrl:]]+": "[^"\\[:cntrl:]]*"[,}] ?)+$'::text));
alter function ledger_private.common_tags(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.common_texts(p_object jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  v_text constant text := p_object;
begin
  return char_length(v_text) <= 250 and v_text ~ E'^{("[a-z_]+": "[^"\\\\[:cntrl:]]+"[,}] ?)+$';
end;
$function$;
alter function ledger_private.common_texts(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.correct_event(p_pool ledger_private.pools, p_booked ledger_private.journal, p_true ledger_private.usage, p_correction ledger_private.journal)
 RETURNS bigint
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.correct_event(ledger_private.pools,ledger_private.journal,ledger_private.usage,ledger_private.journal) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.correct_lines(p_pool ledger_private.pools, p_booked ledger_private.journal, p_seq bigint, p_operation jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.correct_lines(ledger_private.pools,ledger_private.journal,bigint,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.detail_of(p_operation jsonb)
 RETURNS jsonb
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN CASE WHEN (NOT (p_operation ?| ARRAY['price_book'::text, 'tool_results'::text])) THEN (p_operation -> 'detail'::text) ELSE (jsonb_strip_nulls(jsonb_build_object('price_book', (p_operation -> 'price_book'::text), 'tool_results', (p_operation -> 'tool_results'::text))) || CASE WHEN (jsonb_typeof((p_operation -> 'detail'::text)) = 'object'::text) THEN (p_operation -> 'detail'::text) WHEN (p_operation ? 'detail'::text) THEN jsonb_build_object('detail', (p_operation -> 'detail'::text)) ELSE '{}'::jsonb END) END;
alter function ledger_private.detail_of(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.digest_of(p_operation jsonb)
 RETURNS bytea
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN sha256(convert_to(((p_operation - 'operation_id'::text))::text, 'UTF8'::name));
alter function ledger_private.digest_of(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.digest_of_prices(p_prices ledger_private.prices[], p_source text)
 RETURNS bytea
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.digest_of_prices(ledger_private.prices[],text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.dispatch_call(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_tenant_id, p_operation ->> 'pool_id');
  v_event ledger_private.journal;
begin
  if v_pool.pool_id is null then
    return ledger_private.failed('LG002', 'pool_id', format('there is no pool %s', p_operation ->> 'pool_id'));
  elsif v_pool.state = 'closed' then
    return ledger_private.refused(v_pool.pool_id, '{"code": "pool-closed"}');
  end if;
  v_event := ledger_private.event(v_pool, 'dispatched', p_operation, p_at);
  v_event.node_id := v_pool.pool_id;
  v_event.turn := (p_operation -> 'turn')::integer;
  v_event.detail := jsonb_build_object('meter_id', p_operation -> 'meter_id')
    || case when p_operation ? 'detail' then jsonb_build_object('detail', p_operation -> 'detail') else '{}' end;
  return ledger_private.ok(v_pool.pool_id, ledger_private.post(v_event));
end;
$function$;
alter function ledger_private.dispatch_call(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.draw(p_event ledger_private.journal, p_moves ledger_private.move[], p_payers text[])
 RETURNS ledger_private.channels[]
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.draw(ledger_private.journal,ledger_private.move[],text[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.draws(p_move ledger_private.move, p_row ledger_private.channels)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((p_move).draws AND ((p_row).payer_pool_id IS NOT NULL) AND ((p_row).payer_pool_id <> (p_row).pool_id) AND (((p_move).spent <> (0)::numeric) OR ((p_move).uncertain <> (0)::numeric) OR ((p_move).unknown <> 0) OR ((p_move).seals <> 0)));
alter function ledger_private.draws(ledger_private.move,ledger_private.channels) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.due_pools(p_tenant_id text, p_at timestamp with time zone)
 RETURNS TABLE(pool_id text)
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  return query
    select h.pool_id from ledger_private.pool_heads h
    where h.tenant_id = p_tenant_id and h.open_holds > 0 and h.next_lease_at <= p_at
    order by h.next_lease_at, h.pool_id
    limit 1000;
end;
$function$;
alter function ledger_private.due_pools(text,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.end_leaf(p_pool ledger_private.pools, p_node ledger_private.nodes, p_status text, p_usage ledger_private.usage, p_operation jsonb, p_at timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.end_leaf(ledger_private.pools,ledger_private.nodes,text,ledger_private.usage,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.end_node(p_node ledger_private.nodes, p_status text, p_terminal_seq bigint, p_operation jsonb, p_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  v constant ledger_private.nodes := ledger_private.ended(p_node, p_status, p_terminal_seq, p_operation, p_at);
begin
  update ledger_private.nodes n
  set status = v.status, terminal_seq = v.terminal_seq, late = v.late, verdict = v.verdict, out_ref = v.out_ref, reason = v.reason,
    infra = v.infra, ended_at = v.ended_at
  where n.tenant_id = v.tenant_id and n.node_id = v.node_id;
end;
$function$;
alter function ledger_private.end_node(ledger_private.nodes,text,bigint,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.end_run(p_pool ledger_private.pools, p_status text, p_operation jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  if p_pool.run_id is distinct from p_pool.pool_id then
    return;
  end if;
  update ledger_private.runs r
  set outcome = p_status, verdict = p_operation -> 'verdict', out_ref = p_operation ->> 'out_ref', reason = p_operation ->> 'reason',
    infra = r.infra or coalesce((p_operation -> 'infra')::boolean, false)
  where r.tenant_id = p_pool.tenant_id and r.run_id = p_pool.run_id;
end;
$function$;
alter function ledger_private.end_run(ledger_private.pools,text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.ended(p_node ledger_private.nodes, p_status text, p_terminal_seq bigint, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.nodes
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.ended(ledger_private.nodes,text,bigint,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.ending_json(p_usage ledger_private.usage, p_budget jsonb)
 RETURNS jsonb
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN jsonb_build_object('spend', ledger_private.spend_json(p_usage), 'violations', CASE WHEN (((p_usage).resources IS NOT NULL) OR ((p_usage).charged_tokens > ((p_budget ->> 'tokens'::text))::numeric) OR ((p_usage).iterations > ((p_budget ->> 'iterations'::text))::numeric) OR ((p_usage).usd > ((p_budget ->> 'usd'::text))::numeric)) THEN ledger_private.violations(p_usage, p_budget) ELSE '[]'::jsonb END);
alter function ledger_private.ending_json(ledger_private.usage,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.ending_text(p_iterations numeric, p_input_tokens numeric, p_output_tokens numeric, p_cache_read_tokens numeric, p_cache_write_tokens numeric, p_cache_write_hour_tokens numeric, p_reasoning_tokens numeric, p_charged_tokens numeric, p_usd numeric, p_ms numeric, p_budget jsonb)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (((((((((((((((((((('"spend":{"iterations":"'::text || p_iterations) || '","input_tokens":"'::text) || p_input_tokens) || '","output_tokens":"'::text) || p_output_tokens) || '","cache_read_tokens":"'::text) || p_cache_read_tokens) || '","cache_write_tokens":"'::text) || p_cache_write_tokens) || CASE WHEN (p_cache_write_hour_tokens > (0)::numeric) THEN ('","cache_write_1h_tokens":"'::text || p_cache_write_hour_tokens) ELSE ''::text END) || '","reasoning_tokens":"'::text) || p_reasoning_tokens) || '","charged_tokens":"'::text) || p_charged_tokens) || '","usd":"'::text) || trim_scale(p_usd)) || '","ms":"'::text) || p_ms) || '","tokens_known":true,"usd_known":true,"resources":{}},"violations":'::text) || CASE WHEN ((p_charged_tokens > ((p_budget ->> 'tokens'::text))::numeric) OR (p_iterations > ((p_budget ->> 'iterations'::text))::numeric) OR (p_usd > ((p_budget ->> 'usd'::text))::numeric)) THEN (ledger_private.violations(ROW(p_iterations, p_input_tokens, p_output_tokens, p_cache_read_tokens, p_cache_write_tokens, p_reasoning_tokens, p_charged_tokens, p_usd, p_ms, (0)::numeric, (0)::numeric, (0)::numeric, true, true, NULL::jsonb, 0, 0, 0, 0, p_cache_write_hour_tokens)::ledger_private.usage, p_budget))::text ELSE '[]'::text END);
alter function ledger_private.ending_text(numeric,numeric,numeric,numeric,numeric,numeric,numeric,numeric,numeric,numeric,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.enter(p_event ledger_private.journal, p_holds integer DEFAULT 0, p_children integer DEFAULT 0, p_ended integer DEFAULT 0, p_lease_at timestamp with time zone DEFAULT NULL::timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.enter(ledger_private.journal,integer,integer,integer,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.enter_spawned(p_pool ledger_private.pools, p_node ledger_private.nodes, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.enter_spawned(ledger_private.pools,ledger_private.nodes,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.entries(p_steps ledger_private.step[])
 RETURNS SETOF ledger_private.entry
 LANGUAGE sql
 IMMUTABLE
AS $function$
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
$function$;
alter function ledger_private.entries(ledger_private.step[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.event(p_pool ledger_private.pools, p_kind text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.journal
 LANGUAGE plpgsql
 STABLE
AS $function$
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
  v.tool_calls := p_operation -> 'tool_calls';
  v.detail := ledger_private.detail_of(p_operation);
  v.tags := ledger_private.tags_of(p_pool.tags, p_operation -> 'tags');
  return v;
end;
$function$;
alter function ledger_private.event(ledger_private.pools,text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.event_booked_by(p_tenant_id text, p_operation_id text, p_pool_id text DEFAULT NULL::text)
 RETURNS ledger_private.journal
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.event_booked_by(text,text,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.event_for(p_pool ledger_private.pools, p_kind text, p_source ledger_private.journal, p_node_id text)
 RETURNS ledger_private.journal
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.event_for(ledger_private.pools,text,ledger_private.journal,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.event_in_pool(p_tenant_id text, p_operation_id text, p_pool_id text)
 RETURNS ledger_private.journal
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.event_in_pool(text,text,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.expire_leaf(p_pool ledger_private.pools, p_node ledger_private.nodes, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.usage
 LANGUAGE plpgsql
AS $function$
declare
  v_usage ledger_private.usage := ledger_private.unreported_usage(p_node);
begin
  perform ledger_private.end_leaf(p_pool, p_node, 'expired', v_usage, jsonb_build_object('reason', 'lease-expired') || p_operation, p_at);
  return v_usage;
end;
$function$;
alter function ledger_private.expire_leaf(ledger_private.pools,ledger_private.nodes,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.expire_pool(p_pool ledger_private.pools, p_owner_lapsed boolean, p_operation jsonb, p_at timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.expire_pool(ledger_private.pools,boolean,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.failed(p_code text, p_path text, p_rule text)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
begin
  return row('error', p_code, jsonb_build_object('path', p_path, 'rule', p_rule), null, null)::ledger_private.answer;
end;
$function$;
alter function ledger_private.failed(text,text,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.find_event(p_tenant_id text, p_pool_id text, p_seq bigint)
 RETURNS ledger_private.journal
 LANGUAGE plpgsql
 STABLE
AS $function$
declare
  v_event ledger_private.journal;
begin
  select * into v_event from ledger_private.history j where j.tenant_id = p_tenant_id and j.pool_id = p_pool_id and j.seq = p_seq;
  return v_event;
end;
$function$;
alter function ledger_private.find_event(text,text,bigint) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.find_node(p_tenant_id text, p_node_id text)
 RETURNS ledger_private.nodes
 LANGUAGE plpgsql
 STABLE
AS $function$
declare
  v_node ledger_private.nodes;
begin
  select * into v_node from ledger_private.nodes n where n.tenant_id = p_tenant_id and n.node_id = p_node_id;
  return v_node;
end;
$function$;
alter function ledger_private.find_node(text,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.find_pool(p_tenant_id text, p_pool_id text)
 RETURNS ledger_private.pools
 LANGUAGE plpgsql
 STABLE
AS $function$
declare
  v_pool ledger_private.pools;
begin
  select * into v_pool from ledger_private.pools p where p.tenant_id = p_tenant_id and p.pool_id = p_pool_id;
  return v_pool;
end;
$function$;
alter function ledger_private.find_pool(text,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.first_taken(p_ids text[], p_claimed text[])
 RETURNS integer
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
begin
  return (
    select min(i.n)
    from (select u.id, u.n, row_number() over (partition by u.id order by u.n) as nth from unnest(p_ids) with ordinality u (id, n)) i
    where i.nth > 1 and i.id is not null or i.id <> all (coalesce(p_claimed, '{}'))
  );
end;
$function$;
alter function ledger_private.first_taken(text[],text[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.fits(p_kind text, p_value jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
    when 'tool_calls', 'tool_results' then
      return v_type = 'array' and jsonb_array_length(p_value) <= 1000
        and not exists (
          select from jsonb_array_elements(p_value) e (tool)
          where case when p_kind = 'tool_calls' and jsonb_typeof(e.tool) = 'string' then char_length(e.tool #>> '{}') > 200
            else ledger_private.misfit(e.tool, ledger_private.shape(rtrim(p_kind, 's')), '') is not null end
        );
    when 'tool_status' then return p_value in ('"ok"', '"error"');
    when 'tags' then
      return v_type = 'object'
        and (select count(*) <= 16 and coalesce(bool_and(jsonb_typeof(t.value) = 'string' and char_length(t.value #>> '{}') <= 256
               and char_length(t.key) between 1 and 64), true) from jsonb_each(p_value) t);
    when 'instant' then
      return v_type = 'string' and ledger_private.instant(p_value #>> '{}') is not null;
    when 'outcome' then return p_value in ('"done"', '"down"');
    when 'digest' then return v_type = 'string' and p_value #>> '{}' ~ '^sha256:[0-9a-f]{64}$';
    when 'purpose' then return p_value in ('"turn"', '"compaction"', '"failed"', '"tool"');
    when 'match' then return p_value in ('"exact"', '"dated"', '"prefix"', '"contains"');
    when 'token_class' then
      return v_type = 'string' and p_value #>> '{}' ~ '^(input|cache_read|cache_write|cache_write_1h|output|reasoning|request)$';
    when 'unknown_usd' then return p_value in ('"seal"', '"flag"');
    when 'token_charge' then return p_value in ('"total"', '"uncached"');
    when 'replicate' then
      return ledger_private.fits('id', p_value) or ledger_private.fits('count', p_value);
    when 'lines' then
      return v_type = 'array' and jsonb_array_length(p_value) between 1 and 1000;
    else
      return false;
  end case;
end;
$function$;
alter function ledger_private.fits(text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.fold(p_tenant_id text, p_operations jsonb[], p_at timestamp with time zone)
 RETURNS ledger_private.answer[]
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.fold(text,jsonb[],timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.fold_common(p_tenant_id text, p_operations jsonb, p_at timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
AS $function$
declare
  v_objects boolean;
  v_turns boolean;
begin
  if jsonb_array_length(p_operations) < 3 then
    return null;
  end if;
  select bool_and(jsonb_typeof(e.operation) = 'object'), bool_and(e.operation ->> 'op' = 'meter') into v_objects, v_turns
  from jsonb_array_elements(p_operations) e (operation);
  return case
    when not v_objects then null
    when v_turns then ledger_private.fold_turns(p_tenant_id, p_operations, p_at)
    else ledger_private.fold_plainly(p_tenant_id, p_operations, p_at)
  end;
end;
$function$;
alter function ledger_private.fold_common(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.fold_plainly(p_tenant_id text, p_operations jsonb, p_at timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
AS $function$
declare
  v_answers jsonb;
  v_heads ledger_private.pool_heads[]; -- as they were
  v_rows ledger_private.channels[];
  v_claimed tid[];
  v_made tid[];
begin
  with read as materialized (
    select
      r.*, coalesce(k.parent_node_id, r.pool_id) as own_pool_id, k.node_place, k.hold, k.ceilings, k.node_tags,
      case when r.op = 'spawn' and r.plain then p_at + (r.operation ->> 'lease_ms')::double precision * interval '1 millisecond' end as lease_at
    from ledger_private.read_plainly(p_operations) r
    left join lateral (
      select n.ctid as node_place, n.parent_node_id, n.hold, n.budget as ceilings, n.tags as node_tags
      from ledger_private.nodes n
      where r.op = 'settle' and r.plain and n.tenant_id = p_tenant_id and n.node_id = r.node_id and not n.driver and n.ended_at is null
        and n.hold - '{tokens,iterations,usd}'::text[] = '{}'
      limit 1
    ) k on true
  ),
  pools as materialized (
    select
      d.*, p.*, row_number() over () as place,
      bool_and(d.plain and p.own is true and (d.spawned = 0 or (
        p.spawns and (select t.frozen_pools = 0 from ledger_private.tenants t where t.tenant_id = p_tenant_id)
      ))) over () as fits
    from (
      select
        r.own_pool_id as pool_id, bool_and(r.plain) and count(r.node_place) = count(distinct r.node_place) as plain, count(*) as rows,
        count(*) filter (where r.op = 'spawn') as spawned, count(r.node_place) as ended, min(r.lease_at) as lease_at
      from read r
      group by r.own_pool_id
    ) d
    left join lateral (
      select
        p.run_id, p.tags, p.token_charge = 'uncached' as cached_free, coalesce(p.paid_by, '{}') as caps,
        p.state = 'open' and (p_at >= p.deadline_at) is not true and coalesce(p.paid_by, '{}') - '{tokens,iterations,usd}'::text[] = '{}' as spawns,
        true as own
      from ledger_private.pools p
      where p.tenant_id = p_tenant_id and p.pool_id = d.pool_id and p.payers is null and p.state <> 'closed'
      limit 1
    ) p on true
  ),
  heads as (
    update ledger_private.pool_heads h
    set seq = h.seq + p.rows, open_holds = h.open_holds + p.spawned - p.ended, children = h.children + p.spawned,
      undelivered = h.undelivered + p.ended, next_lease_at = least(h.next_lease_at, p.lease_at)
    from pools p
    cross join lateral (
      select k.ctid as at, k as head from ledger_private.pool_heads k where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id limit 1
    ) k
    where p.fits and h.ctid = k.at
    returning p.place, k.head
  ),
  were as materialized (
    select
      array_agg((h.head).seq order by h.place) as seqs, array_agg((h.head).children order by h.place) as children, array_agg(h.head) as heads
    from heads h
  ),
  steps as materialized (
    select
      s.*, w.seqs[s.place] + s.nth as seq,
      case s.op when 'meter' then s.pool_id when 'settle' then s.named else coalesce(s.named, s.pool_id || ':s' || w.children[s.place] + s.child - 1)
      end as node_id
    from (
      select
        r.n, r.op, r.operation, r.operation_id, r.digest, r.node_id as named, r.label, r.runtime, r.provider, r.model, r.provider_request_id,
        r.purpose, r.out_ref, r.outcome, r.asked, r.ceilings, r.node_place, r.lease_at, r.iterations, r.input_tokens, r.output_tokens,
        r.cache_read_tokens, r.cache_write_tokens, r.cache_write_1h_tokens, r.reasoning_tokens, r.ms, r.usd, p.pool_id, p.run_id, p.place,
        row_number() over earlier as nth, count(*) filter (where r.op = 'spawn') over earlier as child,
        r.op = 'spawn' as spawns, r.op <> 'spawn' as spends,
        case when r.extras then coalesce((r.operation ->> 'effective_at')::timestamptz, p_at) else p_at end as effective_at,
        ledger_private.tags_of(case when r.op = 'settle' then r.node_tags else p.tags end, r.own_tags) as tags,
        case r.op when 'spawn' then case when p.caps ? 'tokens' then r.tokens else 0 end else -coalesce((r.hold ->> 'tokens')::numeric, 0) end
          as tokens_held,
        case r.op when 'spawn' then case when p.caps ? 'iterations' then r.iterations else 0 end else -coalesce((r.hold ->> 'iterations')::numeric, 0)
        end as iterations_held,
        case r.op when 'spawn' then case when p.caps ? 'usd' then r.usd else 0 end else -coalesce((r.hold ->> 'usd')::numeric, 0) end as usd_held,
        r.input_tokens + r.output_tokens - case when p.cached_free then r.cache_read_tokens else 0 end as charged_tokens,
        -- a ceiling for what the pool caps; dollars only where it caps them
        r.op <> 'spawn' or (
          r.node_id is distinct from p.pool_id and (r.asked ? 'tokens' or not p.caps ? 'tokens')
          and (r.asked ? 'iterations' or not p.caps ? 'iterations') and (r.usd = 0 or p.caps ? 'usd')
        ) as fits
      from pools p
      join read r on r.own_pool_id = p.pool_id
      where p.fits
      window earlier as (partition by p.place order by r.n rows between unbounded preceding and current row)
      offset 0
    ) s
    cross join were w
  ),
  balances as (
    update ledger_private.channels c
    set free = c.free - d.held - d.spent, reserved = c.reserved + d.held, committed = c.committed + d.spent
    from (
      select
        s.pool_id, count(*) filter (where s.spawns) as asks,
        sum(s.tokens_held) as tokens_held, sum(s.iterations_held) as iterations_held, sum(s.usd_held) as usd_held,
        sum(s.charged_tokens) filter (where s.spends) as tokens_spent, sum(s.iterations) filter (where s.spends) as iterations_spent,
        sum(s.usd) filter (where s.spends) as usd_spent,
        sum(s.tokens_held) filter (where s.spends) as tokens_back, sum(s.iterations_held) filter (where s.spends) as iterations_back,
        sum(s.usd_held) filter (where s.spends) as usd_back
      from steps s
      group by s.pool_id
    ) s
    cross join lateral (
      values
        ('tokens', s.tokens_held, coalesce(s.tokens_spent, 0), s.tokens_back),
        ('iterations', s.iterations_held, coalesce(s.iterations_spent, 0), s.iterations_back),
        ('usd', s.usd_held, coalesce(s.usd_spent, 0), s.usd_back)
    ) d (channel, held, spent, back)
    cross join lateral (
      select k.ctid as at, k as balance from ledger_private.channels k
      where k.tenant_id = p_tenant_id and k.pool_id = s.pool_id and k.channel = d.channel
      limit 1
    ) k
    where c.ctid = k.at and (s.asks > 0 or d.held <> 0 or d.spent <> 0)
    -- room for every child at its turn, whatever comes back in between
    returning k.balance, c.seals = 0 and (s.asks = 0 or (c.free + coalesce(d.back, 0) >= 0) is not false) as suits
  ),
  claimed as (
    insert into ledger_private.operations (tenant_id, operation_id, digest, pool_id, seq, at)
    select p_tenant_id, s.operation_id, s.digest, s.pool_id, s.seq, p_at
    from steps s
    where s.fits and s.effective_at <= p_at
    on conflict do nothing
    returning ctid as place
  ),
  made as (
    insert into ledger_private.nodes (
      tenant_id, node_id, parent_node_id, run_id, label, runtime, task_ref, budget, hold, tags, lease_at, spawned_at
    )
    select
      p_tenant_id, s.node_id, s.pool_id, s.run_id, s.label, s.runtime, s.operation ->> 'task_ref', s.asked,
      jsonb_strip_nulls(jsonb_build_object(
        'tokens', nullif(s.tokens_held, 0), 'iterations', nullif(s.iterations_held, 0), 'usd', nullif(s.usd_held, 0)
      )),
      s.tags, s.lease_at, p_at
    from steps s
    where s.spawns and s.fits and char_length(s.node_id) <= 200
    on conflict do nothing
    returning ctid as place
  ),
  verdict as materialized (
    select
      coalesce(b.suits, true) and c.count = jsonb_array_length(p_operations) and m.count = (select sum(p.spawned) from pools p) as ok,
      b.rows, c.places as claimed, m.places as made
    from (select bool_and(b.suits) as suits, array_agg(b.balance) as rows from balances b) b
    cross join (select count(*) as count, array_agg(c.place) as places from claimed c) c
    cross join (select count(*) as count, array_agg(m.place) as places from made m) m
  ),
  ended as (
    update ledger_private.nodes k
    set status = s.outcome, ended_at = p_at, terminal_seq = s.seq, verdict = s.operation -> 'verdict', out_ref = s.out_ref,
      reason = s.operation ->> 'reason', infra = (s.operation -> 'infra')::boolean
    from steps s
    where (select v.ok from verdict v) and k.ctid = s.node_place
  ),
  booked as (
    insert into ledger_private.journal (
      tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, tags,
      provider, model, provider_request_id, purpose, turn, tool_calls, detail, outcome, verdict, out_ref, reason, infra,
      iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, charged_tokens,
      usd, ms, tokens_known, usd_known,
      tokens_held, tokens_spent, iterations_held, iterations_spent, usd_held, usd_spent
    )
    select
      p_tenant_id, s.pool_id, s.seq, case s.op when 'meter' then 'metered' when 'spawn' then 'spawned' else 'settled' end,
      s.operation_id, p_at, s.effective_at, s.run_id, s.node_id, s.tags,
      s.provider, s.model, s.provider_request_id, s.purpose, (s.operation -> 'turn')::integer, s.operation -> 'tool_calls', s.operation -> 'detail',
      s.outcome, s.operation -> 'verdict', s.out_ref, s.operation ->> 'reason', (s.operation -> 'infra')::boolean,
      case when s.spends then s.iterations end, case when s.spends then s.input_tokens end, case when s.spends then s.output_tokens end,
      nullif(s.cache_read_tokens, 0), nullif(s.cache_write_tokens, 0), nullif(s.cache_write_1h_tokens, 0), nullif(s.reasoning_tokens, 0),
      case when s.spends then s.charged_tokens end, case when s.spends then s.usd end, nullif(s.ms, 0),
      case when s.spends then true end, case when s.spends then true end,
      nullif(s.tokens_held, 0), nullif(s.charged_tokens, 0), nullif(s.iterations_held, 0),
      case when s.spends then nullif(s.iterations, 0) end, nullif(s.usd_held, 0), case when s.spends then nullif(s.usd, 0) end
    from steps s
    where (select v.ok from verdict v)
  )
  select
    case when v.ok then (
      -- as text, which takes half of what jsonb_agg of jsonb_build_object does
      select '[' || string_agg(
        '{"position":' || s.n - 1 || ',"status":"ok","code":null,"result":{"pool_id":' || to_json(s.pool_id) || ',"seq":' || s.seq || case s.op
          when 'meter' then '}}'
          when 'spawn' then ',"node_id":' || to_json(s.node_id) || '}}'
          else ',' || ledger_private.ending_text(
            s.iterations, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens, s.cache_write_1h_tokens, s.reasoning_tokens,
            s.charged_tokens, s.usd, s.ms, s.ceilings
          ) || '}}'
        end,
        ',' order by s.n
      ) || ']'
      from steps s
    ) end,
    w.heads, v.rows, v.claimed, v.made
  into v_answers, v_heads, v_rows, v_claimed, v_made
  from verdict v
  cross join were w;
  if v_answers is null and v_heads is not null then
    perform ledger_private.put_back(v_heads, v_rows, v_claimed, v_made);
  end if;
  return v_answers;
end;
$function$;
alter function ledger_private.fold_plainly(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.fold_turns(p_tenant_id text, p_operations jsonb, p_at timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
AS $function$
declare
  v_answers jsonb;
  v_heads ledger_private.pool_heads[]; -- as they were
  v_rows ledger_private.channels[];
  v_claimed tid[];
begin
  with read as materialized (
    select
      r.n, r.operation, r.operation_id, r.digest, r.pool_id, r.provider, r.model, r.provider_request_id, r.purpose, r.own_tags, r.extras,
      r.iterations, r.input_tokens, r.output_tokens, r.cache_read_tokens, r.cache_write_tokens, r.cache_write_1h_tokens, r.reasoning_tokens,
      r.ms, r.usd,
      r.plain and r.op = 'meter' as plain
    from ledger_private.read_plainly(p_operations) r
  ),
  pools as materialized (
    select d.*, p.*, row_number() over () as place, bool_and(d.plain and p.own is true) over () as fits
    from (
      select
        r.pool_id, bool_and(r.plain) as plain, count(*) as rows, sum(r.input_tokens + r.output_tokens) as tokens,
        sum(r.cache_read_tokens) as cached, sum(r.iterations) as iterations, sum(r.usd) as usd
      from read r
      group by r.pool_id
    ) d
    left join lateral (
      select p.run_id, p.tags, p.token_charge = 'uncached' as cached_free, true as own
      from ledger_private.pools p
      where p.tenant_id = p_tenant_id and p.pool_id = d.pool_id and p.payers is null and p.state <> 'closed'
      limit 1
    ) p on true
  ),
  heads as (
    update ledger_private.pool_heads h
    set seq = h.seq + p.rows
    from pools p
    cross join lateral (
      select k.ctid as at, k as head from ledger_private.pool_heads k where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id limit 1
    ) k
    where p.fits and h.ctid = k.at
    returning p.place, k.head
  ),
  were as materialized (
    select array_agg((h.head).seq order by h.place) as seqs, array_agg(h.head) as heads from heads h
  ),
  steps as materialized (
    select
      r.*, p.run_id, w.seqs[p.place] + row_number() over (partition by p.place order by r.n) as seq,
      case when r.extras then coalesce((r.operation ->> 'effective_at')::timestamptz, p_at) else p_at end as effective_at,
      ledger_private.tags_of(p.tags, r.own_tags) as tags,
      r.input_tokens + r.output_tokens - case when p.cached_free then r.cache_read_tokens else 0 end as charged_tokens
    from pools p
    join read r on r.pool_id = p.pool_id
    cross join were w
    where p.fits
  ),
  balances as (
    update ledger_private.channels c
    set free = c.free - d.spent, committed = c.committed + d.spent
    from pools p
    cross join lateral (
      values ('tokens', p.tokens - case when p.cached_free then p.cached else 0 end), ('iterations', p.iterations), ('usd', p.usd)
    ) d (channel, spent)
    cross join lateral (
      select k.ctid as at, k as balance from ledger_private.channels k
      where k.tenant_id = p_tenant_id and k.pool_id = p.pool_id and k.channel = d.channel
      limit 1
    ) k
    where p.fits and (select w.seqs is not null from were w) and c.ctid = k.at and d.spent <> 0
    returning k.balance, c.seals = 0 as suits
  ),
  claimed as (
    insert into ledger_private.operations (tenant_id, operation_id, digest, pool_id, seq, at)
    select p_tenant_id, s.operation_id, s.digest, s.pool_id, s.seq, p_at
    from steps s
    where s.effective_at <= p_at
    on conflict do nothing
    returning ctid as place
  ),
  verdict as materialized (
    select coalesce(b.suits, true) and c.count = jsonb_array_length(p_operations) as ok, b.rows, c.places as claimed
    from (select bool_and(b.suits) as suits, array_agg(b.balance) as rows from balances b) b
    cross join (select count(*) as count, array_agg(c.place) as places from claimed c) c
  ),
  booked as (
    insert into ledger_private.journal (
      tenant_id, pool_id, seq, kind, operation_id, recorded_at, effective_at, run_id, node_id, tags,
      provider, model, provider_request_id, purpose, turn, tool_calls, detail,
      iterations, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, charged_tokens,
      usd, ms, tokens_known, usd_known, tokens_spent, iterations_spent, usd_spent
    )
    select
      p_tenant_id, s.pool_id, s.seq, 'metered', s.operation_id, p_at, s.effective_at, s.run_id, s.pool_id, s.tags,
      s.provider, s.model, s.provider_request_id, s.purpose, (s.operation -> 'turn')::integer,
      case when s.extras then s.operation -> 'tool_calls' end, case when s.extras then s.operation -> 'detail' end,
      s.iterations, s.input_tokens, s.output_tokens, nullif(s.cache_read_tokens, 0), nullif(s.cache_write_tokens, 0),
      nullif(s.cache_write_1h_tokens, 0), nullif(s.reasoning_tokens, 0), s.charged_tokens, s.usd, nullif(s.ms, 0), true, true,
      nullif(s.charged_tokens, 0), nullif(s.iterations, 0), nullif(s.usd, 0)
    from steps s
    where (select v.ok from verdict v)
  )
  select
    case when v.ok then (
      -- as text, which takes half of what jsonb_agg of jsonb_build_object does
      select '[' || string_agg(
        '{"position":' || s.n - 1 || ',"status":"ok","code":null,"result":{"pool_id":' || to_json(s.pool_id) || ',"seq":' || s.seq || '}}',
        ',' order by s.n
      ) || ']'
      from steps s
    ) end,
    w.heads, v.rows, v.claimed
  into v_answers, v_heads, v_rows, v_claimed
  from verdict v
  cross join were w;
  if v_answers is null and v_heads is not null then
    perform ledger_private.put_back(v_heads, v_rows, v_claimed, null);
  end if;
  return v_answers;
end;
$function$;
alter function ledger_private.fold_turns(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.fraction_of(p_part numeric, p_whole numeric)
 RETURNS numeric
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN trim_scale((div(((p_part * ('2000000000000'::bigint)::numeric) + p_whole), (NULLIF(p_whole, (0)::numeric) * (2)::numeric)) * 0.000000000001));
alter function ledger_private.fraction_of(numeric,numeric) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.frozen_above(p_pool ledger_private.pools)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.frozen_above(ledger_private.pools) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.gate(p_tenant_id text, p_experiment text, p_tolerance numeric, p_by_task boolean)
 RETURNS TABLE(task text, channel text, verdict text, spread numeric, median numeric, fraction numeric, tolerance numeric, reason text, arms jsonb, plan jsonb)
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.gate(text,text,numeric,boolean) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.gate_cost(p_channel text, p_tokens numeric, p_usd numeric, p_iterations numeric, p_ms numeric)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE p_channel WHEN 'tokens'::text THEN to_jsonb((trim_scale(COALESCE(p_tokens, (0)::numeric)))::text) WHEN 'usd'::text THEN to_jsonb((trim_scale(COALESCE(p_usd, (0)::numeric)))::text) ELSE jsonb_build_object('tokens', (trim_scale(COALESCE(p_tokens, (0)::numeric)))::text, 'usd', (trim_scale(COALESCE(p_usd, (0)::numeric)))::text, 'iterations', (trim_scale(COALESCE(p_iterations, (0)::numeric)))::text, 'ms', (trim_scale(COALESCE(p_ms, (0)::numeric)))::text) END;
alter function ledger_private.gate_cost(text,numeric,numeric,numeric,numeric) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.gate_costs(p_tenant_id text, p_experiment text, p_by_task boolean)
 RETURNS TABLE(part text, arm text, task text, replicate text, run_id text, left_out text, token_charge text, tokens numeric, usd numeric, iterations numeric, ms numeric, open_holds bigint, tokens_unsure boolean, usd_unsure boolean, tokens_estimated numeric, usd_estimated numeric, tokens_unknown bigint, usd_unknown bigint, first_spend_at timestamp with time zone, cell text)
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.gate_costs(text,text,boolean) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.gate_doubt(p_channel text, p_tokens_estimated numeric, p_tokens_unknown numeric, p_usd_estimated numeric, p_usd_unknown numeric)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE p_channel WHEN 'tokens'::text THEN jsonb_build_object('estimated', (trim_scale(COALESCE(p_tokens_estimated, (0)::numeric)))::text, 'unknown_events', COALESCE(p_tokens_unknown, (0)::numeric)) WHEN 'usd'::text THEN jsonb_build_object('estimated', (trim_scale(COALESCE(p_usd_estimated, (0)::numeric)))::text, 'unknown_events', COALESCE(p_usd_unknown, (0)::numeric)) ELSE '{}'::jsonb END;
alter function ledger_private.gate_doubt(text,numeric,numeric,numeric,numeric) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.gate_nodes(p_tenant_id text, p_run_ids text[])
 RETURNS TABLE(run_id text, node_id text, open boolean, tokens boolean, usd boolean)
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.gate_nodes(text,text[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.gate_plan(p_tenant_id text, p_experiment text, p_first_spend_at timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.gate_plan(text,text,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.gate_rank(p_reason text)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN array_position(ARRAY['open-hold'::text, 'unknown-usage'::text, 'unbalanced'::text, 'mixed-units'::text, 'zero-median'::text, 'over-tolerance'::text], p_reason);
alter function ledger_private.gate_rank(text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.gate_reason(p_open boolean, p_unsure boolean, p_unbalanced boolean, p_mixed boolean, p_spread numeric, p_median numeric, p_tolerance numeric)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN p_open THEN 'open-hold'::text WHEN p_unsure THEN 'unknown-usage'::text WHEN p_unbalanced THEN 'unbalanced'::text WHEN p_mixed THEN 'mixed-units'::text WHEN (p_spread <= (p_tolerance * p_median)) THEN NULL::text WHEN (p_median = (0)::numeric) THEN 'zero-median'::text ELSE 'over-tolerance'::text END;
alter function ledger_private.gate_reason(boolean,boolean,boolean,boolean,numeric,numeric,numeric) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.gate_sides(p_tenant_id text, p_experiment text, p_by_task boolean)
 RETURNS TABLE(part text, arm text, channel text, runs bigint, amount numeric, cost jsonb, cells bigint, part_cells bigint, open_holds numeric, unsure bigint, doubt jsonb, unit_low text, unit_high text, nodes jsonb, nodes_total bigint, left_out jsonb, first_spend_at timestamp with time zone)
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.gate_sides(text,text,boolean) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.gate_troubles(p_tenant_id text, p_run_ids text[], p_parts text[], p_arms text[])
 RETURNS TABLE(part text, arm text, channel text, nodes jsonb, nodes_total bigint)
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  return query
  select r.part, r.arm, h.channel, to_jsonb((array_agg(n.node_id order by n.node_id collate "C"))[:100]), count(*)
  from ledger_private.gate_nodes(p_tenant_id, p_run_ids) n
  join unnest(p_run_ids, p_parts, p_arms) r (run_id, part, arm) on r.run_id = n.run_id
  cross join (values ('tokens'), ('usd'), ('all')) h (channel)
  where n.open or (n.tokens and h.channel <> 'usd') or (n.usd and h.channel <> 'tokens')
  group by r.part, r.arm, h.channel;
end;
$function$;
alter function ledger_private.gate_troubles(text,text[],text[],text[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.gate_verdict(p_reason text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (p_reason IS NULL) THEN 'equal'::text WHEN (p_reason = ANY (ARRAY['zero-median'::text, 'over-tolerance'::text])) THEN 'unequal'::text ELSE 'inconclusive'::text END;
alter function ledger_private.gate_verdict(text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.giving_back(p_pool ledger_private.pools)
 RETURNS ledger_private.move[]
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  return (
    select array_agg(row(c.channel, -c.free, 0, 0, 0, 0, 0, false)::ledger_private.move order by ledger_private.channel_order(c.channel))
    from ledger_private.channels c
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id and c.free <> 0 and p_pool.parent_pool_id is not null
  );
end;
$function$;
alter function ledger_private.giving_back(ledger_private.pools) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.hold(p_pool ledger_private.pools, p_budget jsonb, p_sign integer DEFAULT 1)
 RETURNS ledger_private.channels[]
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.hold(ledger_private.pools,jsonb,integer) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.hold_of(p_channels ledger_private.channels[], p_budget jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.hold_of(ledger_private.channels[],jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.holding(p_hold jsonb)
 RETURNS ledger_private.move[]
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.holding(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.insert_lines(p_pool ledger_private.pools, p_seq bigint, p_operation jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.insert_lines(ledger_private.pools,bigint,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.insert_node(p_node ledger_private.nodes)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
begin
  insert into ledger_private.nodes select p_node.* on conflict do nothing;
  return found;
end;
$function$;
alter function ledger_private.insert_node(ledger_private.nodes) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.insert_run(p_pool ledger_private.pools, p_run jsonb, p_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.insert_run(ledger_private.pools,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.instant(p_text text)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
begin
  if p_text !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$' then
    return null;
  end if;
  return p_text::timestamptz;
exception when datetime_field_overflow or invalid_datetime_format or invalid_time_zone_displacement_value then
  return null;
end;
$function$;
alter function ledger_private.instant(text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.instants_in(p_prices jsonb)
 RETURNS TABLE(text text, instant timestamp with time zone)
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.instants_in(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.is_bound(p_tenant_id text)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  perform from ledger_private.role_bindings b where b.tenant_id = p_tenant_id and b.role_name = session_user and p_tenant_id <> '*';
  return found;
end;
$function$;
alter function ledger_private.is_bound(text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.is_spend_event(p_event ledger_private.journal)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((p_event).source_pool_id IS NULL) AND (((p_event).kind = ANY (ARRAY['metered'::text, 'settled'::text, 'cancelled'::text, 'expired'::text])) OR (((p_event).kind = 'corrected'::text) AND ((p_event).outcome IS NOT NULL))));
alter function ledger_private.is_spend_event(ledger_private.journal) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.keep(p_operation jsonb, p_place tid, p_answer ledger_private.answer)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.keep(jsonb,tid,ledger_private.answer) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.keyed(p_node ledger_private.nodes)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
 STABLE
AS $function$
declare
  v_other ledger_private.nodes;
begin
  select * into v_other from ledger_private.nodes n
  where n.tenant_id = p_node.tenant_id and n.parent_node_id = p_node.parent_node_id and n.key = p_node.key and not n.superseded;
  return case
    when v_other.node_id is null then null
    when v_other.task_ref is distinct from p_node.task_ref
      or (p_node.task_ref is null and (v_other.label <> p_node.label or v_other.budget <> p_node.budget))
      then ledger_private.refused(p_node.parent_node_id, '{"code": "key-conflict"}')
    when v_other.status = 'done'
      then ledger_private.ok(p_node.parent_node_id, null, jsonb_build_object('node_id', v_other.node_id, 'existing', true))
    when v_other.ended_at is null then ledger_private.refused(p_node.parent_node_id, '{"code": "duplicate-key"}')
  end;
end;
$function$;
alter function ledger_private.keyed(ledger_private.nodes) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.lapsed_holds(p_pool ledger_private.pools, p_owner_lapsed boolean, p_at timestamp with time zone)
 RETURNS SETOF ledger_private.nodes
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.lapsed_holds(ledger_private.pools,boolean,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.latest_of_first(p_tenant_id text, p_pool_ids text[], p_after bigint[], p_heads bigint[], p_limit integer)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.latest_of_first(text,text[],bigint[],bigint[],integer) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.lines_kept(p_event ledger_private.journal)
 RETURNS TABLE(provider text, model text, request text, line ledger_private.usage)
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.lines_kept(ledger_private.journal) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.lock_all(p_tenant_id text, p_operations jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  v_key bigint;
begin
  foreach v_key in array ledger_private.lock_keys(p_tenant_id, p_operations) loop
    perform pg_advisory_xact_lock(v_key);
  end loop;
end;
$function$;
alter function ledger_private.lock_all(text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.lock_key(p_tenant_id text, p_pool_id text)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN hashtextextended(((((('agent-ledger/'::text || (char_length(p_tenant_id))::text) || '/'::text) || p_tenant_id) || '/'::text) || p_pool_id), (0)::bigint);
alter function ledger_private.lock_key(text,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.lock_keys(p_tenant_id text, p_operations jsonb)
 RETURNS bigint[]
 LANGUAGE plpgsql
 STABLE
AS $function$
declare
  v_operation constant jsonb := p_operations -> 0;
  v_pool_id text;
  v_payers text[];
  v_keys bigint[];
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
  elsif jsonb_typeof(p_operations) = 'array' and jsonb_array_length(p_operations) between 2 and 1000 then
    v_keys := ledger_private.own_keys(p_tenant_id, p_operations);
    if v_keys is not null then
      return v_keys;
    end if;
  end if;
  return array(
    select distinct ledger_private.lock_key(p_tenant_id, l.pool_id)
    from unnest(ledger_private.pools_locked(p_tenant_id, p_operations)) l (pool_id)
    order by 1
  );
end;
$function$;
alter function ledger_private.lock_keys(text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.median_of(p_sorted numeric[])
 RETURNS numeric
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN trim_scale((((p_sorted)[((cardinality(p_sorted) + 1) / 2)] + (p_sorted)[((cardinality(p_sorted) / 2) + 1)]) * 0.5));
alter function ledger_private.median_of(numeric[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.metered_event(p_pool ledger_private.pools, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.journal
 LANGUAGE plpgsql
 STABLE
AS $function$
declare
  v ledger_private.journal := ledger_private.event(p_pool, 'metered', p_operation, p_at);
begin
  v.node_id := p_pool.pool_id;
  v.turn := (p_operation -> 'turn')::integer;
  return v;
end;
$function$;
alter function ledger_private.metered_event(ledger_private.pools,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.misfit(p_value jsonb, p_shape jsonb, p_path text, p_common jsonb DEFAULT '{}'::jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.misfit(jsonb,jsonb,text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.misfit_of_archiving(p_tenant_id text, p_pool_ids text[], p_heads jsonb, p_export_digest text)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.misfit_of_archiving(text,text[],jsonb,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.misfit_of_book(p_book text, p_prices jsonb, p_source text)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.misfit_of_book(text,jsonb,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.misfit_of_budget(p_channels ledger_private.channels[], p_budget jsonb, p_path text)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.misfit_of_budget(ledger_private.channels[],jsonb,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.misfit_of_cursor(p_after jsonb, p_limit integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  v_pool_id text;
begin
  if jsonb_typeof(p_after) is distinct from 'object' then
    return jsonb_build_object('path', 'p_after', 'rule', 'must be an object: the last seq seen of each pool');
  end if;
  select e.key into v_pool_id
  from jsonb_each(p_after) e
  where not case
    when jsonb_typeof(e.value) = 'number' then e.value::numeric between 0 and 9007199254740991 and trunc(e.value::numeric) = e.value::numeric
    else false
  end
  limit 1;
  if v_pool_id is not null then
    return jsonb_build_object('path', 'p_after.' || v_pool_id, 'rule', ledger_private.rule_text('count'));
  elsif p_limit is null or p_limit not between 1 and 10000 then
    return jsonb_build_object('path', 'p_limit', 'rule', 'must be a whole number from 1 to 10000');
  end if;
  return null;
end;
$function$;
alter function ledger_private.misfit_of_cursor(jsonb,integer) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.misfit_of_lines(p_lines jsonb, p_spend jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.misfit_of_lines(jsonb,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.misfit_of_open_pool(p_parent ledger_private.pools, p_operation jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.misfit_of_open_pool(ledger_private.pools,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.misfit_of_operation(p_operation jsonb, p_at timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  v_shape jsonb;
  v_misfit jsonb;
begin
  if jsonb_typeof(p_operation) is distinct from 'object' then
    return jsonb_build_object('path', '', 'rule', 'an operation must be an object');
  elsif not coalesce(ledger_private.fits('id', p_operation -> 'operation_id'), false) then
    return jsonb_build_object('path', 'operation_id', 'rule', 'is required: ' || ledger_private.rule_text('id'));
  end if;
  v_shape := case
    when p_operation ->> 'op' = 'dispatch' and p_operation ? 'pool_id' and not p_operation ? 'node_id' then ledger_private.shape('call')
    when p_operation ->> 'op' not in ('any', 'spend', 'line', 'price', 'call', 'tool_call', 'tool_result')
      then ledger_private.shape(p_operation ->> 'op')
  end;
  if v_shape is null then
    return jsonb_build_object('path', 'op', 'rule', format('%s is no operation of the ledger', coalesce(p_operation -> 'op', 'null')));
  end if;
  if p_operation ->> 'op' = 'dispatch' and (p_operation ? 'node_id') = (p_operation ? 'pool_id') then
    return jsonb_build_object('path', 'node_id', 'rule', 'is required, or pool_id in its place: a hold, or a call of a driver''s own; not both');
  end if;
  v_misfit := ledger_private.misfit(p_operation, v_shape, '', ledger_private.shape('any'));
  if v_misfit is not null then
    return v_misfit;
  elsif ledger_private.instant(p_operation ->> 'effective_at') > p_at then
    return jsonb_build_object('path', 'effective_at', 'rule', 'must not be in the future');
  elsif p_operation #> '{detail,price_book}' is not null then
    return jsonb_build_object('path', 'detail.price_book', 'rule', 'is written by the ledger: the book that an estimate came from');
  elsif p_operation #> '{detail,tool_results}' is not null then
    return jsonb_build_object('path', 'detail.tool_results', 'rule', 'is written by the ledger: send tool_results beside detail');
  elsif p_operation -> 'meter_id' = p_operation -> 'operation_id' then
    return jsonb_build_object('path', 'meter_id', 'rule', 'is the id of the meter operation to come, not of this one');
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
$function$;
alter function ledger_private.misfit_of_operation(jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.misfit_of_prices(p_prices ledger_private.prices[])
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.misfit_of_prices(ledger_private.prices[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.misfit_of_spend(p_spend jsonb, p_path text)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.misfit_of_spend(jsonb,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.move_channels(p_pool ledger_private.pools, p_moves ledger_private.move[], OUT p_before ledger_private.channels[], OUT p_after ledger_private.channels[])
 RETURNS record
 LANGUAGE plpgsql
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
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
$function$;
alter function ledger_private.move_channels(ledger_private.pools,ledger_private.move[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.move_events(p_pool ledger_private.pools, p_first bigint, p_last bigint, p_run_id text, p_export_digest text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.move_events(ledger_private.pools,bigint,bigint,text,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.move_pools(p_tenant_id text, p_steps ledger_private.step[], OUT p_seqs bigint[], OUT p_children bigint[], OUT p_drawn ledger_private.drawn[], OUT p_heads ledger_private.pool_heads[], OUT p_rows ledger_private.channels[])
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.move_pools(text,ledger_private.step[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.moved(p_channel ledger_private.channels, p_move ledger_private.move, p_seals boolean, p_follows boolean DEFAULT false)
 RETURNS ledger_private.channels
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.moved(ledger_private.channels,ledger_private.move,boolean,boolean) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.moves_of(p_usage ledger_private.usage, p_hold jsonb DEFAULT '{}'::jsonb)
 RETURNS ledger_private.move[]
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.moves_of(ledger_private.usage,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.needs_price(p_operation jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN COALESCE((((p_operation #> '{spend,usd_known}'::text[]) = 'false'::jsonb) AND (NOT ((p_operation -> 'spend'::text) ? 'usd'::text)) AND (COALESCE((p_operation #> '{spend,tokens_known}'::text[]), 'true'::jsonb) = 'true'::jsonb)), false);
alter function ledger_private.needs_price(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.new_node(p_tenant_id text, p_node_id text, p_parent_node_id text, p_operation jsonb)
 RETURNS ledger_private.nodes
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
  v.task_ref := p_operation ->> 'task_ref';
  v.superseded := false;
  v.budget := coalesce(p_operation -> 'budget', '{}');
  v.hold := '{}';
  v.status := 'pending';
  v.late := false;
  return v;
end;
$function$;
alter function ledger_private.new_node(text,text,text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.new_pool(p_parent ledger_private.pools, p_pool_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.pools
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.new_pool(ledger_private.pools,text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.no_open_hold(p_node ledger_private.nodes, p_operation jsonb)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
begin
  return case
    when p_node.node_id is null then ledger_private.failed('LG003', 'node_id', format('there is no node %s', p_operation ->> 'node_id'))
    when p_node.parent_node_id is null
      then ledger_private.failed('LG001', 'node_id', format('%s is the root of its tree: only a hold can be dispatched or extended', p_node.node_id))
    when p_node.ended_at is not null then ledger_private.failed('LG004', 'node_id', format('node %s has already ended', p_node.node_id))
  end;
end;
$function$;
alter function ledger_private.no_open_hold(ledger_private.nodes,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.ok(p_pool_id text, p_seq bigint, p_extra jsonb DEFAULT NULL::jsonb)
 RETURNS ledger_private.answer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ROW('ok'::text, NULL::text, p_extra, p_pool_id, p_seq)::ledger_private.answer;
alter function ledger_private.ok(text,bigint,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_cancel(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
begin
  return ledger_private.settle_node(p_tenant_id, p_operation, 'cancelled', p_at);
end;
$function$;
alter function ledger_private.op_cancel(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_close_pool(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.op_close_pool(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_correct(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.op_correct(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_deliver(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.op_deliver(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_dispatch(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
declare
  v_node ledger_private.nodes;
  v_failed ledger_private.answer;
  v_event ledger_private.journal;
begin
  if p_operation ? 'pool_id' then
    return ledger_private.dispatch_call(p_tenant_id, p_operation, p_at);
  end if;
  v_node := ledger_private.find_node(p_tenant_id, p_operation ->> 'node_id');
  v_failed := ledger_private.no_open_hold(v_node, p_operation);
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
$function$;
alter function ledger_private.op_dispatch(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_expire(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.op_expire(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_extend(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.op_extend(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_freeze(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.op_freeze(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_fund(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.op_fund(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_judge(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.op_judge(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_meter(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.op_meter(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_open_pool(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.op_open_pool(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_plan(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.op_plan(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_settle(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
begin
  return ledger_private.settle_node(p_tenant_id, p_operation, p_operation ->> 'outcome', p_at);
end;
$function$;
alter function ledger_private.op_settle(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.op_spawn(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
      ledger_private.new_pool(v_pool, v_answer.result ->> 'node_id', jsonb_strip_nulls(jsonb_build_object('tags', p_operation -> 'tags')), p_at),
      ledger_private.channels_of(v_node.budget),
      p_operation, p_at, v_answer.seq
    );
  end if;
  return v_answer;
end;
$function$;
alter function ledger_private.op_spawn(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.open_child(p_pool ledger_private.pools, p_channels jsonb, p_operation jsonb, p_at timestamp with time zone, p_source_seq bigint DEFAULT NULL::bigint)
 RETURNS bigint
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.open_child(ledger_private.pools,jsonb,jsonb,timestamp with time zone,bigint) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.outcomes_of(p_tenant_id text, p_experiment text, p_arm_a text, p_arm_b text)
 RETURNS TABLE(runs_a bigint, runs_b bigint, errored_a bigint, errored_b bigint, unjudged_a bigint, unjudged_b bigint, resolved_a bigint, resolved_b bigint, both_resolved bigint, only_a bigint, only_b bigint, neither bigint)
 LANGUAGE plpgsql
 STABLE ROWS 1
AS $function$
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
$function$;
alter function ledger_private.outcomes_of(text,text,text,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.own_keys(p_tenant_id text, p_operations jsonb)
 RETURNS bigint[]
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  return (
    select case when bool_and(p.key is not null) then array_agg(distinct p.key order by p.key) end
    from (
      select distinct coalesce(o.pool_id, n.parent_node_id) as pool_id
      from (
        select
          case when e.op ->> 'op' in ('meter', 'spawn') then e.op ->> 'pool_id' end as pool_id,
          case when e.op ->> 'op' in ('settle', 'dispatch', 'extend') then e.op ->> 'node_id' end as node_id
        from jsonb_array_elements(p_operations) e (op)
        offset 0
      ) o
      left join lateral (
        select n.parent_node_id from ledger_private.nodes n
        where n.tenant_id = p_tenant_id and n.node_id = o.node_id and not n.driver
        limit 1
      ) n on true
    ) d
    left join lateral (
      select ledger_private.lock_key(p_tenant_id, p.pool_id) as key from ledger_private.pools p
      where p.tenant_id = p_tenant_id and p.pool_id = d.pool_id and p.payers is null and p.state <> 'closed'
      limit 1
    ) p on true
  );
end;
$function$;
alter function ledger_private.own_keys(text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.owner_lapsed(p_tenant_id text, p_pool_id text, p_at timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.owner_lapsed(text,text,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.paired_runs(p_tenant_id text, p_experiment text, p_arm_a text, p_arm_b text)
 RETURNS TABLE(state_a text, state_b text)
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.paired_runs(text,text,text,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.passed_up(p_parent_pool_id text, p_after ledger_private.channels[], p_before ledger_private.channels[] DEFAULT NULL::ledger_private.channels[], p_hold jsonb DEFAULT '{}'::jsonb)
 RETURNS ledger_private.move[]
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.passed_up(text,ledger_private.channels[],ledger_private.channels[],jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.payers_of(p_channels ledger_private.channels[])
 RETURNS ledger_private.channels[]
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.payers_of(ledger_private.channels[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.perform(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.perform(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.perform_alone(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.perform_alone(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.perform_plainly(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
declare
  v_op constant text := p_operation ->> 'op';
  v_common boolean;
  v_plain boolean;
  v_spend jsonb;
  v_priced jsonb := p_operation;
begin
  if v_op = 'meter' then
    v_common := ledger_private.common_meter(p_operation);
  elsif v_op = 'settle' then
    v_common := ledger_private.common_settle(p_operation);
  elsif v_op = 'spawn' then
    v_common := ledger_private.common_spawn(p_operation);
  else
    return null;
  end if;
  if v_common and p_operation ? 'tags' then
    v_common := ledger_private.common_tags(p_operation -> 'tags');
  end if;
  if v_common is not true then
    if ledger_private.plain_texts(p_operation) is not true or ledger_private.instant(p_operation ->> 'effective_at') > p_at then
      return null;
    end if;
    if v_op = 'spawn' then
      v_plain := ledger_private.plain_spawn(p_operation) and ledger_private.plain_budget(p_operation -> 'budget');
    else
      v_spend := p_operation -> 'spend';
      v_plain := ledger_private.plain_spend(v_spend)
        and case v_op when 'meter' then ledger_private.plain_meter(p_operation) else ledger_private.plain_settle(p_operation) end;
    end if;
    if v_plain is not true then
      return null;
    elsif ledger_private.needs_price(p_operation) then
      v_priced := ledger_private.priced(
        p_operation, ledger_private.rate_card(p_tenant_id, array[p_operation]), coalesce(ledger_private.instant(p_operation ->> 'effective_at'), p_at)
      );
    end if;
  end if;
  if v_op = 'spawn' then
    return ledger_private.spawn_plainly(p_tenant_id, p_operation, p_at);
  end if;
  return ledger_private.book_plainly(p_tenant_id, p_operation, v_priced, v_common is true, p_at);
end;
$function$;
alter function ledger_private.perform_plainly(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.plain_amounts(p_input_tokens numeric, p_output_tokens numeric, p_cache_read_tokens numeric, p_cache_write_tokens numeric, p_cache_write_hour_tokens numeric, p_reasoning_tokens numeric)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((COALESCE(p_cache_read_tokens, (0)::numeric) + COALESCE(p_cache_write_tokens, (0)::numeric)) <= p_input_tokens) AND (COALESCE(p_cache_write_hour_tokens, (0)::numeric) <= COALESCE(p_cache_write_tokens, (0)::numeric)) AND (COALESCE(p_reasoning_tokens, (0)::numeric) <= p_output_tokens));
alter function ledger_private.plain_amounts(numeric,numeric,numeric,numeric,numeric,numeric) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.plain_budget(p_budget jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((jsonb_typeof(p_budget) = 'object'::text) AND ((p_budget - '{tokens,iterations,usd}'::text[]) = '{}'::jsonb) AND ((((p_budget -> 'tokens'::text) >= '0'::jsonb) AND ((p_budget -> 'tokens'::text) <= '9007199254740991'::jsonb)) IS NOT FALSE) AND ((((p_budget -> 'iterations'::text) >= '0'::jsonb) AND ((p_budget -> 'iterations'::text) <= '9007199254740991'::jsonb)) IS NOT FALSE) AND (strpos(((p_budget - 'usd'::text))::text, '.'::text) = 0) AND CASE WHEN (p_budget ? 'usd'::text) THEN ((jsonb_typeof((p_budget -> 'usd'::text)) = 'string'::text) AND ((p_budget ->> 'usd'::text) ~ '^[0-9]{1,15}([.][0-9]{1,12})?$'::text)) ELSE true END);
alter function ledger_private.plain_budget(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.plain_cancel(p_operation jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((p_operation - '{op,operation_id,effective_at,tags,node_id,reason,spend,tool_calls,tool_results,detail,provider,model,provider_request_id,purpose}'::text[]) = '{}'::jsonb) AND (jsonb_typeof((p_operation -> 'operation_id'::text)) = 'string'::text) AND (jsonb_typeof((p_operation -> 'node_id'::text)) = 'string'::text) AND (jsonb_typeof((p_operation -> 'reason'::text)) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'provider'::text)), 'string'::text) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'model'::text)), 'string'::text) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'provider_request_id'::text)), 'string'::text) = 'string'::text) AND (((p_operation -> 'purpose'::text) = ANY (ARRAY['"turn"'::jsonb, '"compaction"'::jsonb, '"failed"'::jsonb, '"tool"'::jsonb])) IS NOT FALSE));
alter function ledger_private.plain_cancel(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.plain_dispatch(p_operation jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((p_operation - '{op,operation_id,effective_at,tags,node_id}'::text[]) = '{}'::jsonb) AND (jsonb_typeof((p_operation -> 'operation_id'::text)) = 'string'::text) AND (jsonb_typeof((p_operation -> 'node_id'::text)) = 'string'::text));
alter function ledger_private.plain_dispatch(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.plain_extras(p_operation jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.plain_extras(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.plain_line(p_operation jsonb, p_op text, p_asked jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (CASE p_op WHEN 'meter'::text THEN (((p_operation - '{op,operation_id,pool_id,spend,turn,provider,model,provider_request_id,purpose,effective_at,tags,tool_calls,detail}'::text[]) = '{}'::jsonb) AND (jsonb_typeof((p_operation -> 'pool_id'::text)) = 'string'::text) AND (((((p_operation -> 'turn'::text) >= '0'::jsonb) AND ((p_operation -> 'turn'::text) <= '2147483647'::jsonb)) AND (strpos((p_operation ->> 'turn'::text), '.'::text) = 0)) IS NOT FALSE)) WHEN 'spawn'::text THEN (((p_operation - '{op,operation_id,pool_id,node_id,label,runtime,task_ref,lease_ms,budget,effective_at,tags}'::text[]) = '{}'::jsonb) AND (jsonb_typeof((p_operation -> 'pool_id'::text)) = 'string'::text) AND (jsonb_typeof((p_operation -> 'label'::text)) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'node_id'::text)), 'string'::text) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'runtime'::text)), 'string'::text) = 'string'::text) AND (((((p_operation -> 'lease_ms'::text) >= '1'::jsonb) AND ((p_operation -> 'lease_ms'::text) <= '315360000000'::jsonb)) AND (strpos((p_operation ->> 'lease_ms'::text), '.'::text) = 0)) IS NOT FALSE)) WHEN 'settle'::text THEN (((p_operation - '{op,operation_id,node_id,outcome,spend,provider,model,provider_request_id,purpose,verdict,out_ref,reason,infra,effective_at,tags,tool_calls,detail}'::text[]) = '{}'::jsonb) AND (jsonb_typeof((p_operation -> 'node_id'::text)) = 'string'::text) AND ((p_operation ->> 'outcome'::text) = ANY (ARRAY['done'::text, 'down'::text])) AND (COALESCE(jsonb_typeof((p_operation -> 'out_ref'::text)), 'string'::text) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'reason'::text)), 'string'::text) = 'string'::text)) ELSE false END AND (jsonb_typeof((p_operation -> 'operation_id'::text)) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'provider'::text)), 'string'::text) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'model'::text)), 'string'::text) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'provider_request_id'::text)), 'string'::text) = 'string'::text) AND (jsonb_typeof(p_asked) = 'object'::text) AND ((p_asked - CASE p_op WHEN 'spawn'::text THEN '{tokens,iterations,usd}'::text[] ELSE '{iterations,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,cache_write_1h_tokens,reasoning_tokens,ms,usd}'::text[] END) = '{}'::jsonb) AND (p_asked ?& CASE p_op WHEN 'spawn'::text THEN '{}'::text[] ELSE '{iterations,input_tokens,output_tokens,usd}'::text[] END));
alter function ledger_private.plain_line(jsonb,text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.plain_meter(p_operation jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((p_operation - '{op,operation_id,effective_at,tags,pool_id,spend,turn,tool_calls,tool_results,detail,provider,model,provider_request_id,purpose}'::text[]) = '{}'::jsonb) AND (jsonb_typeof((p_operation -> 'operation_id'::text)) = 'string'::text) AND (jsonb_typeof((p_operation -> 'pool_id'::text)) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'provider'::text)), 'string'::text) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'model'::text)), 'string'::text) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'provider_request_id'::text)), 'string'::text) = 'string'::text) AND (((p_operation -> 'purpose'::text) = ANY (ARRAY['"turn"'::jsonb, '"compaction"'::jsonb, '"failed"'::jsonb, '"tool"'::jsonb])) IS NOT FALSE) AND (((((p_operation -> 'turn'::text) >= '0'::jsonb) AND ((p_operation -> 'turn'::text) <= '2147483647'::jsonb)) AND (strpos((p_operation ->> 'turn'::text), '.'::text) = 0)) IS NOT FALSE));
alter function ledger_private.plain_meter(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.plain_operation(p_operation jsonb, p_spend jsonb, p_budget jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (CASE (p_operation ->> 'op'::text) WHEN 'meter'::text THEN ledger_private.plain_meter(p_operation) WHEN 'spawn'::text THEN ledger_private.plain_spawn(p_operation) WHEN 'settle'::text THEN ledger_private.plain_settle(p_operation) WHEN 'cancel'::text THEN ledger_private.plain_cancel(p_operation) WHEN 'dispatch'::text THEN ledger_private.plain_dispatch(p_operation) ELSE false END AND ledger_private.plain_texts(p_operation) AND CASE WHEN (((p_operation ->> 'op'::text) = ANY (ARRAY['meter'::text, 'settle'::text])) OR (p_operation ? 'spend'::text)) THEN ledger_private.plain_spend(p_spend) ELSE true END AND CASE WHEN ((p_operation ->> 'op'::text) = 'spawn'::text) THEN ledger_private.plain_budget(p_budget) ELSE true END);
alter function ledger_private.plain_operation(jsonb,jsonb,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.plain_price(p_price jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN COALESCE((((p_price - ARRAY['provider'::text, 'model'::text, 'match'::text, 'token_class'::text, 'usd_per_million'::text, 'above_input_tokens'::text, 'valid_from'::text, 'valid_to'::text, 'source'::text]) = '{}'::jsonb) AND (jsonb_typeof((p_price -> 'provider'::text)) = 'string'::text) AND (char_length((p_price ->> 'provider'::text)) <= 200) AND ((p_price ->> 'provider'::text) ~ '^[ -~]+$'::text) AND (jsonb_typeof((p_price -> 'model'::text)) = 'string'::text) AND (char_length((p_price ->> 'model'::text)) <= 200) AND ((p_price ->> 'model'::text) ~ '^[ -~]+$'::text) AND ((p_price -> 'token_class'::text) = ANY (ARRAY['"input"'::jsonb, '"cache_read"'::jsonb, '"cache_write"'::jsonb, '"cache_write_1h"'::jsonb, '"output"'::jsonb, '"reasoning"'::jsonb, '"request"'::jsonb])) AND (COALESCE((p_price -> 'match'::text), '"exact"'::jsonb) = ANY (ARRAY['"exact"'::jsonb, '"dated"'::jsonb, '"prefix"'::jsonb, '"contains"'::jsonb])) AND (jsonb_typeof((p_price -> 'usd_per_million'::text)) = ANY (ARRAY['number'::text, 'string'::text])) AND (char_length((p_price ->> 'usd_per_million'::text)) <= 12) AND ((p_price ->> 'usd_per_million'::text) ~ '^[0-9]+([.][0-9]{1,6})?$'::text) AND ((NOT (p_price ? 'above_input_tokens'::text)) OR ledger_private.fits('count'::text, (p_price -> 'above_input_tokens'::text))) AND (COALESCE(jsonb_typeof((p_price -> 'valid_from'::text)), 'string'::text) = 'string'::text) AND (COALESCE(jsonb_typeof((p_price -> 'valid_to'::text)), 'string'::text) = 'string'::text) AND ((NOT (p_price ? 'source'::text)) OR ledger_private.fits('id'::text, (p_price -> 'source'::text)))), false);
alter function ledger_private.plain_price(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.plain_settle(p_operation jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((p_operation - '{op,operation_id,effective_at,tags,node_id,outcome,spend,verdict,out_ref,reason,infra,tool_calls,tool_results,detail,provider,model,provider_request_id,purpose}'::text[]) = '{}'::jsonb) AND (jsonb_typeof((p_operation -> 'operation_id'::text)) = 'string'::text) AND (jsonb_typeof((p_operation -> 'node_id'::text)) = 'string'::text) AND ((p_operation -> 'outcome'::text) = ANY (ARRAY['"done"'::jsonb, '"down"'::jsonb])) AND (COALESCE(jsonb_typeof((p_operation -> 'out_ref'::text)), 'string'::text) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'reason'::text)), 'string'::text) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'provider'::text)), 'string'::text) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'model'::text)), 'string'::text) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'provider_request_id'::text)), 'string'::text) = 'string'::text) AND (((p_operation -> 'purpose'::text) = ANY (ARRAY['"turn"'::jsonb, '"compaction"'::jsonb, '"failed"'::jsonb, '"tool"'::jsonb])) IS NOT FALSE));
alter function ledger_private.plain_settle(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.plain_spawn(p_operation jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((p_operation - '{op,operation_id,effective_at,tags,pool_id,node_id,label,runtime,task_ref,lease_ms,budget}'::text[]) = '{}'::jsonb) AND (jsonb_typeof((p_operation -> 'operation_id'::text)) = 'string'::text) AND (jsonb_typeof((p_operation -> 'pool_id'::text)) = 'string'::text) AND (jsonb_typeof((p_operation -> 'label'::text)) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'node_id'::text)), 'string'::text) = 'string'::text) AND (COALESCE(jsonb_typeof((p_operation -> 'runtime'::text)), 'string'::text) = 'string'::text) AND (((((p_operation -> 'lease_ms'::text) >= '1'::jsonb) AND ((p_operation -> 'lease_ms'::text) <= '315360000000'::jsonb)) AND (strpos((p_operation ->> 'lease_ms'::text), '.'::text) = 0)) IS NOT FALSE));
alter function ledger_private.plain_spawn(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.plain_spend(p_spend jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((jsonb_typeof(p_spend) = 'object'::text) AND ((p_spend - '{iterations,input_tokens,output_tokens,cache_read_tokens,cache_write_tokens,cache_write_1h_tokens,reasoning_tokens,ms,usd,usd_known,tokens_known}'::text[]) = '{}'::jsonb) AND (((p_spend -> 'iterations'::text) >= '0'::jsonb) AND ((p_spend -> 'iterations'::text) <= '9007199254740991'::jsonb)) AND (((p_spend -> 'input_tokens'::text) >= '0'::jsonb) AND ((p_spend -> 'input_tokens'::text) <= '9007199254740991'::jsonb)) AND (((p_spend -> 'output_tokens'::text) >= '0'::jsonb) AND ((p_spend -> 'output_tokens'::text) <= '9007199254740991'::jsonb)) AND ((((p_spend -> 'cache_read_tokens'::text) >= '0'::jsonb) AND ((p_spend -> 'cache_read_tokens'::text) <= '9007199254740991'::jsonb)) IS NOT FALSE) AND ((((p_spend -> 'cache_write_tokens'::text) >= '0'::jsonb) AND ((p_spend -> 'cache_write_tokens'::text) <= '9007199254740991'::jsonb)) IS NOT FALSE) AND ((((p_spend -> 'cache_write_1h_tokens'::text) >= '0'::jsonb) AND ((p_spend -> 'cache_write_1h_tokens'::text) <= '9007199254740991'::jsonb)) IS NOT FALSE) AND ((((p_spend -> 'reasoning_tokens'::text) >= '0'::jsonb) AND ((p_spend -> 'reasoning_tokens'::text) <= '9007199254740991'::jsonb)) IS NOT FALSE) AND ((((p_spend -> 'ms'::text) >= '0'::jsonb) AND ((p_spend -> 'ms'::text) <= '9007199254740991'::jsonb)) IS NOT FALSE) AND (strpos(((p_spend - 'usd'::text))::text, '.'::text) = 0) AND (COALESCE(jsonb_typeof((p_spend -> 'tokens_known'::text)), 'boolean'::text) = 'boolean'::text) AND (COALESCE(jsonb_typeof((p_spend -> 'usd_known'::text)), 'boolean'::text) = 'boolean'::text) AND CASE WHEN (p_spend ? 'usd'::text) THEN ((jsonb_typeof((p_spend -> 'usd'::text)) = 'string'::text) AND ((p_spend ->> 'usd'::text) ~ '^[0-9]{1,15}([.][0-9]{1,12})?$'::text)) ELSE ((p_spend -> 'usd_known'::text) = 'false'::jsonb) END);
alter function ledger_private.plain_spend(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.plain_steps(p_tenant_id text, p_operations jsonb[], p_at timestamp with time zone)
 RETURNS ledger_private.step[]
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.plain_steps(text,jsonb[],timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.plain_texts(p_operation jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((LEAST(char_length((p_operation ->> 'operation_id'::text)), char_length((p_operation ->> 'pool_id'::text)), char_length((p_operation ->> 'node_id'::text)), char_length((p_operation ->> 'label'::text)), char_length((p_operation ->> 'runtime'::text)), char_length((p_operation ->> 'out_ref'::text)), char_length((p_operation ->> 'provider'::text)), char_length((p_operation ->> 'model'::text)), char_length((p_operation ->> 'provider_request_id'::text))) > 0) AND (GREATEST(char_length((p_operation ->> 'operation_id'::text)), char_length((p_operation ->> 'pool_id'::text)), char_length((p_operation ->> 'node_id'::text)), char_length((p_operation ->> 'label'::text)), char_length((p_operation ->> 'runtime'::text)), char_length((p_operation ->> 'out_ref'::text)), char_length((p_operation ->> 'provider'::text)), char_length((p_operation ->> 'model'::text)), char_length((p_operation ->> 'provider_request_id'::text))) <= 200) AND (((p_operation - '{spend,budget,tags,detail,verdict,reason,tool_calls,tool_results}'::text[]))::text !~ '[\\[:cntrl:]]'::text) AND CASE WHEN (p_operation ?| '{effective_at,tags,tool_calls,tool_results,detail,verdict,infra,task_ref,reason}'::text[]) THEN ledger_private.plain_extras(p_operation) ELSE true END);
alter function ledger_private.plain_texts(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.pool_channels(p_pool ledger_private.pools)
 RETURNS ledger_private.channels[]
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  return (
    select array_agg(c order by ledger_private.channel_order(c.channel))
    from ledger_private.channels c
    where c.tenant_id = p_pool.tenant_id and c.pool_id = p_pool.pool_id
  );
end;
$function$;
alter function ledger_private.pool_channels(ledger_private.pools) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.pool_usage(p_tenant_id text, p_pool_id text)
 RETURNS ledger_private.usage
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.pool_usage(text,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.pools_below_lapsed(p_tenant_id text, p_pool_id text, p_at timestamp with time zone)
 RETURNS TABLE(pool_id text, owner_lapsed boolean)
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.pools_below_lapsed(text,text,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.pools_locked(p_tenant_id text, p_operations jsonb)
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.pools_locked(text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.pools_looked_up(p_tenant_id text, p_operations jsonb)
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.pools_looked_up(text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.pools_moved(p_tenant_id text, p_after jsonb, p_pool_ids text[])
 RETURNS TABLE(pool_id text, after bigint, head bigint)
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  if p_pool_ids is not null then
    return query
      select h.pool_id, coalesce((p_after ->> h.pool_id)::bigint, 0), h.seq
      from unnest(p_pool_ids) i (pool_id)
      cross join lateral (
        select k.pool_id, k.seq from ledger_private.pool_heads k where k.tenant_id = p_tenant_id and k.pool_id = i.pool_id
        offset 0
      ) h
      where h.seq > coalesce((p_after ->> h.pool_id)::bigint, 0);
    return;
  end if;
  return query
    select h.pool_id, coalesce(c.seq, 0), h.seq
    from ledger_private.pool_heads h
    left join (select e.key, e.value::bigint as seq from jsonb_each(p_after) e) c on c.key = h.pool_id
    where h.tenant_id = p_tenant_id and h.seq > coalesce(c.seq, 0);
end;
$function$;
alter function ledger_private.pools_moved(text,jsonb,text[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.pools_named(p_tenant_id text, p_operations jsonb)
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.pools_named(text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.pools_of_run(p_tenant_id text, p_run_id text)
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  return array(
    with recursive tree as (
      select r.run_id as pool_id from ledger_private.runs r where r.tenant_id = p_tenant_id and r.run_id = p_run_id
      union all
      select c.pool_id
      from tree t
      cross join lateral (
        select p.pool_id from ledger_private.pools p where p.tenant_id = p_tenant_id and p.parent_pool_id = t.pool_id
        offset 0
      ) c
    )
    select t.pool_id from tree t
  );
end;
$function$;
alter function ledger_private.pools_of_run(text,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.post(p_event ledger_private.journal, p_moves ledger_private.move[] DEFAULT '{}'::ledger_private.move[], p_holds integer DEFAULT 0, p_children integer DEFAULT 0, p_ended integer DEFAULT 0, p_lease_at timestamp with time zone DEFAULT NULL::timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.post(ledger_private.journal,ledger_private.move[],integer,integer,integer,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.priced(p_operation jsonb, p_card jsonb, p_at timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.priced(jsonb,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.priced_batch(p_tenant_id text, p_operations jsonb[], p_at timestamp with time zone)
 RETURNS jsonb[]
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.priced_batch(text,jsonb[],timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.prices_in(p_tenant_id text, p_book text, p_prices jsonb)
 RETURNS ledger_private.prices[]
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.prices_in(text,text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.put_back(p_heads ledger_private.pool_heads[], p_rows ledger_private.channels[], p_operations tid[], p_nodes tid[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.put_back(ledger_private.pool_heads[],ledger_private.channels[],tid[],tid[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.raise_append_only(p_schema text, p_table text, p_what text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  raise exception using
    errcode = 'restrict_violation',
    constraint = 'journal_append_only',
    table = p_table,
    schema = p_schema,
    message = format('the journal is append-only: %s is not allowed', lower(p_what)),
    hint = 'book the difference with a correct operation';
end;
$function$;
alter function ledger_private.raise_append_only(text,text,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.raise_breach(p_table text, p_rule text)
 RETURNS void
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
begin
  raise exception using
    errcode = 'check_violation',
    schema = 'ledger_private',
    table = p_table,
    constraint = p_rule,
    message = format('new row for relation "%s" violates check constraint "%s"', p_table, p_rule);
end;
$function$;
alter function ledger_private.raise_breach(text,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.raise_error(p_code text, p_detail jsonb, p_hint text DEFAULT NULL::text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.raise_error(text,jsonb,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.rate_card(p_tenant_id text, p_operations jsonb[])
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.rate_card(text,jsonb[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.read_operations(p_operations jsonb[], p_priced jsonb[])
 RETURNS TABLE(n bigint, op text, operation jsonb, priced jsonb, operation_id text, pool_id text, node_id text, plain boolean, effective_at timestamp with time zone, budget jsonb, iterations numeric, input_tokens numeric, output_tokens numeric, cache_read_tokens numeric, cache_write_tokens numeric, cache_write_1h_tokens numeric, reasoning_tokens numeric, ms numeric, usd numeric, usd_known boolean, tokens_unknown integer)
 LANGUAGE sql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.read_operations(jsonb[],jsonb[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.read_plainly(p_operations jsonb)
 RETURNS TABLE(n bigint, op text, operation jsonb, operation_id text, digest bytea, pool_id text, node_id text, label text, runtime text, provider text, model text, provider_request_id text, purpose text, out_ref text, outcome text, asked jsonb, own_tags jsonb, extras boolean, tokens numeric, iterations numeric, input_tokens numeric, output_tokens numeric, cache_read_tokens numeric, cache_write_tokens numeric, cache_write_1h_tokens numeric, reasoning_tokens numeric, ms numeric, usd numeric, plain boolean)
 LANGUAGE sql
 STABLE
AS $function$
  select
    g.*,
    g.asked is not null and coalesce(
      greatest(
        g.tokens, g.iterations, g.input_tokens, g.output_tokens, g.cache_read_tokens, g.cache_write_tokens, g.cache_write_1h_tokens,
        g.reasoning_tokens, g.ms
      ) <= 9007199254740991
      and least(
        g.tokens, g.iterations, g.input_tokens, g.output_tokens, g.cache_read_tokens, g.cache_write_tokens, g.cache_write_1h_tokens,
        g.reasoning_tokens, g.ms
      ) >= 0
      and scale(
        g.tokens + g.iterations + g.input_tokens + g.output_tokens + g.cache_read_tokens + g.cache_write_tokens + g.cache_write_1h_tokens
        + g.reasoning_tokens + g.ms
      ) = 0
      and g.usd < 1e15 and scale(g.usd) <= 12
      and ledger_private.plain_amounts(
        g.input_tokens, g.output_tokens, g.cache_read_tokens, g.cache_write_tokens, g.cache_write_1h_tokens, g.reasoning_tokens
      ),
      false
    )
  from (
    select
      f.n, f.op, f.operation, f.operation_id, f.digest, f.pool_id, f.node_id, f.label, f.runtime, f.provider, f.model, f.provider_request_id,
      f.purpose, f.out_ref, f.outcome, f.asked, f.own_tags, f.extras,
      coalesce((f.asked -> 'tokens')::numeric, 0) as tokens, coalesce((f.asked -> 'iterations')::numeric, 0) as iterations,
      coalesce((f.asked -> 'input_tokens')::numeric, 0) as input_tokens, coalesce((f.asked -> 'output_tokens')::numeric, 0) as output_tokens,
      coalesce((f.asked -> 'cache_read_tokens')::numeric, 0) as cache_read_tokens,
      coalesce((f.asked -> 'cache_write_tokens')::numeric, 0) as cache_write_tokens,
      coalesce((f.asked -> 'cache_write_1h_tokens')::numeric, 0) as cache_write_1h_tokens,
      coalesce((f.asked -> 'reasoning_tokens')::numeric, 0) as reasoning_tokens, coalesce((f.asked -> 'ms')::numeric, 0) as ms,
      coalesce((f.asked ->> 'usd')::numeric, 0) as usd
    from (
      select
        e.n, e.op, e.operation, e.operation_id, sha256(convert_to(e.content, 'UTF8')) as digest, e.pool_id, e.node_id, e.label, e.runtime,
        e.provider, e.model, e.provider_request_id, e.purpose, e.out_ref, e.outcome, e.own_tags, e.extras,
        case
          when ledger_private.plain_line(e.operation, e.op, e.asked) and e.operation_id || e.content !~ E'[\\\\[:cntrl:]]'
            and least(e.operation_id, e.pool_id, e.node_id, e.label, e.runtime, e.provider, e.model, e.provider_request_id, e.out_ref) <> ''
            and greatest(
              char_length(e.operation_id), char_length(e.pool_id), char_length(e.node_id), char_length(e.label), char_length(e.runtime),
              char_length(e.provider), char_length(e.model), char_length(e.provider_request_id), char_length(e.out_ref)
            ) <= 200
            and (e.operation -> 'purpose' in ('"turn"', '"compaction"', '"failed"', '"tool"')) is not false
            and not jsonb_path_exists(e.asked - 'usd', 'strict $.* ? (@.type() != "number")')
            and (jsonb_typeof(e.asked -> 'usd') = 'string' and char_length(e.asked ->> 'usd') <= 28
              and e.asked ->> 'usd' ~ '^[0-9]+([.][0-9]+)?$') is not false
            and case
              when e.extras or not ledger_private.common_tags(e.own_tags) then ledger_private.plain_extras(e.operation)
              else true
            end
          then e.asked
        end as asked
      from (
        select
          o.n, o.operation, o.operation ->> 'op' as op, o.operation ->> 'operation_id' as operation_id,
          (o.operation - 'operation_id')::text as content, o.operation ->> 'pool_id' as pool_id, o.operation ->> 'node_id' as node_id,
          o.operation ->> 'label' as label, o.operation ->> 'runtime' as runtime, o.operation ->> 'provider' as provider,
          o.operation ->> 'model' as model, o.operation ->> 'provider_request_id' as provider_request_id, o.operation ->> 'purpose' as purpose,
          o.operation ->> 'out_ref' as out_ref, o.operation ->> 'outcome' as outcome,
          coalesce(o.operation -> 'spend', o.operation -> 'budget') as asked,
          o.operation -> 'tags' as own_tags,
          o.operation ?| '{effective_at,tool_calls,detail,verdict,infra,task_ref,reason}' as extras
        from jsonb_array_elements(p_operations) with ordinality o (operation, n)
        offset 0
      ) e
      offset 0
    ) f
    offset 0
  ) g
  offset 0
$function$;
alter function ledger_private.read_plainly(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.refresh_lease(p_pool ledger_private.pools, p_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.refresh_lease(ledger_private.pools,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.refusal_of_budget(p_channels ledger_private.channels[], p_payers ledger_private.channels[], p_budget jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.refusal_of_budget(ledger_private.channels[],ledger_private.channels[],jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.refusal_of_spawn(p_pool ledger_private.pools, p_owns_pool boolean, p_at timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  return case
    when p_pool.state = 'closed' then '{"code": "pool-closed"}'::jsonb
    when ledger_private.frozen_above(p_pool) then '{"code": "pool-frozen"}'
    when p_at >= p_pool.deadline_at then '{"code": "deadline-passed"}'
    when p_owns_pool and p_pool.depth_left <= 0 then '{"code": "depth-exceeded"}'
  end;
end;
$function$;
alter function ledger_private.refusal_of_spawn(ledger_private.pools,boolean,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.refused(p_pool_id text, p_refusal jsonb)
 RETURNS ledger_private.answer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ROW('refused'::text, (p_refusal ->> 'code'::text), NULLIF((p_refusal - 'code'::text), '{}'::jsonb), p_pool_id, NULL::bigint)::ledger_private.answer;
alter function ledger_private.refused(text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.replay(p_tenant_id text, p_operation jsonb)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.replay(text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.replay_window(p_settings jsonb)
 RETURNS interval
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN make_interval(days => CASE jsonb_typeof((p_settings -> 'replay_days'::text)) WHEN 'number'::text THEN (LEAST(GREATEST(((p_settings -> 'replay_days'::text))::numeric, (1)::numeric), (99999)::numeric))::integer ELSE 30 END);
alter function ledger_private.replay_window(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.reserve(p_pool ledger_private.pools, p_node ledger_private.nodes, p_operation jsonb, p_path text, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.reserve(ledger_private.pools,ledger_private.nodes,jsonb,text,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.resources_json(p_resources jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
begin
  return (
    select jsonb_object_agg(r.key, jsonb_build_object('amount', ledger_private.text_of(ledger_private.amount(r.value -> 'amount'))))
    from jsonb_each(p_resources) r
  );
end;
$function$;
alter function ledger_private.resources_json(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.resources_sum(p_one jsonb, p_other jsonb, p_sign integer DEFAULT 1)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.resources_sum(jsonb,jsonb,integer) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.result_of(p_tenant_id text, p_pool_id text, p_seq bigint)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.result_of(text,text,bigint) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.returned(p_moves ledger_private.move[])
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
begin
  return coalesce((select jsonb_object_agg(m.channel, ledger_private.text_of(-m.funded)) from unnest(p_moves) m), '{}');
end;
$function$;
alter function ledger_private.returned(ledger_private.move[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.rule_text(p_kind text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE p_kind WHEN 'id'::text THEN 'must be a text of 1 to 200 characters without control characters'::text WHEN 'text'::text THEN 'must be a text of at most 10000 characters'::text WHEN 'count'::text THEN 'must be a whole number from 0 to 9007199254740991'::text WHEN 'whole'::text THEN 'must be a whole number from -9007199254740991 to 9007199254740991'::text WHEN 'money'::text THEN 'must be a number or decimal text from 0 to below 10^15 with at most 12 decimals'::text WHEN 'change'::text THEN 'must be a number or decimal text between -10^15 and 10^15 with at most 12 decimals'::text WHEN 'rate'::text THEN 'must be a number or decimal text of dollars per million from 0 to below 10^12 with at most 6 decimals'::text WHEN 'match'::text THEN 'must be exact, dated, prefix or contains'::text WHEN 'token_class'::text THEN 'must be input, cache_read, cache_write, cache_write_1h, output, reasoning or request'::text WHEN 'duration_ms'::text THEN 'must be a whole number of milliseconds from 1 to 315360000000'::text WHEN 'small'::text THEN 'must be a whole number from 0 to 2147483647'::text WHEN 'flag'::text THEN 'must be true or false'::text WHEN 'score'::text THEN 'must be a finite number'::text WHEN 'json'::text THEN 'must be JSON other than null of at most 100000 bytes'::text WHEN 'tool_calls'::text THEN ('must be a list of at most 1000 tools: texts of at most 200 characters, or objects of name, id?, '::text || 'arguments? (sha256:<64 hex digits, in lower case>) and status? (ok or error)'::text) WHEN 'tool_results'::text THEN 'must be a list of at most 1000 objects of id (of the tool call) and status (ok or error)'::text WHEN 'tool_status'::text THEN 'must be ok or error'::text WHEN 'tags'::text THEN 'must be at most 16 pairs of short texts: keys up to 64, values up to 256 characters'::text WHEN 'instant'::text THEN 'must be an ISO 8601 instant with a time zone'::text WHEN 'outcome'::text THEN 'must be done or down'::text WHEN 'digest'::text THEN 'must be a text of the form sha256:<64 hex digits, in lower case>'::text WHEN 'purpose'::text THEN 'must be turn, compaction, failed or tool'::text WHEN 'unknown_usd'::text THEN 'must be seal or flag'::text WHEN 'token_charge'::text THEN 'must be total or uncached'::text WHEN 'replicate'::text THEN 'must be a short text or a whole number'::text WHEN 'own'::text THEN 'is a channel of its own, not a resource'::text WHEN 'lines'::text THEN 'must be a list of 1 to 1000 lines'::text ELSE NULL::text END;
alter function ledger_private.rule_text(text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.set_pool_state(p_pool ledger_private.pools, p_state text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  v_change constant integer := (p_state = 'frozen')::integer - (p_pool.state = 'frozen')::integer;
begin
  update ledger_private.pools p set state = p_state where p.tenant_id = p_pool.tenant_id and p.pool_id = p_pool.pool_id;
  if v_change <> 0 then
    update ledger_private.tenants t set frozen_pools = t.frozen_pools + v_change where t.tenant_id = p_pool.tenant_id;
  end if;
end;
$function$;
alter function ledger_private.set_pool_state(ledger_private.pools,text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.settle_leaf(p_node ledger_private.nodes, p_status text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
declare
  v_pool ledger_private.pools := ledger_private.find_pool(p_node.tenant_id, p_node.parent_node_id);
  v_usage ledger_private.usage;
  v_event ledger_private.journal;
  v_booked ledger_private.journal;
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
    v_booked := ledger_private.find_event(p_node.tenant_id, v_pool.pool_id, p_node.terminal_seq);
    v_seq := ledger_private.correct_event(v_pool, v_booked, v_usage, v_event);
    perform ledger_private.correct_lines(v_pool, v_booked, v_seq, p_operation);
    perform ledger_private.end_node(p_node, p_status, null, p_operation, p_at);
  else
    v_seq := ledger_private.end_leaf(v_pool, p_node, p_status, v_usage, p_operation, p_at);
  end if;
  return ledger_private.ok(v_pool.pool_id, v_seq, jsonb_build_object(
    'spend', ledger_private.spend_json(v_usage), 'violations', ledger_private.violations(v_usage, p_node.budget)
  ));
end;
$function$;
alter function ledger_private.settle_leaf(ledger_private.nodes,text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.settle_node(p_tenant_id text, p_operation jsonb, p_status text, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
declare
  v_node ledger_private.nodes := ledger_private.find_node(p_tenant_id, p_operation ->> 'node_id');
  v_answer ledger_private.answer;
begin
  if v_node.node_id is null then
    return ledger_private.failed('LG003', 'node_id', format('there is no node %s', p_operation ->> 'node_id'));
  elsif v_node.driver and p_operation ? 'spend' then
    return ledger_private.failed('LG001', 'spend', 'is computed from the pool of a driver: leave it out');
  elsif v_node.driver and p_operation ?| array['tool_calls', 'tool_results'] then
    return ledger_private.failed(
      'LG001', case when p_operation ? 'tool_calls' then 'tool_calls' else 'tool_results' end,
      'belongs to a call of the driver: meter it in its pool'
    );
  elsif not v_node.driver and p_status <> 'cancelled' and not p_operation ? 'spend' then
    return ledger_private.failed('LG001', 'spend', 'is required: what the leaf consumed');
  elsif v_node.driver then
    v_answer := ledger_private.settle_pool(v_node, p_status, p_operation, p_at);
    v_answer.result := v_answer.result - 'returned';
    return v_answer;
  end if;
  return ledger_private.settle_leaf(v_node, p_status, p_operation, p_at);
end;
$function$;
alter function ledger_private.settle_node(text,jsonb,text,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.settle_pool(p_node ledger_private.nodes, p_status text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.settle_pool(ledger_private.nodes,text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.shape(p_op text)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE p_op WHEN 'any'::text THEN '{"op": "id", "tags": "tags", "effective_at": "instant", "operation_id": "id"}'::jsonb WHEN 'spend'::text THEN '{"!": ["iterations", "input_tokens", "output_tokens"], "ms": "count", "usd": "money", "resources": {"!": [], "*": {"!": ["amount"], "amount": "money"}, "usd": "own", "tokens": "own", "iterations": "own"}, "usd_known": "flag", "iterations": "count", "input_tokens": "count", "tokens_known": "flag", "output_tokens": "count", "reasoning_tokens": "count", "cache_read_tokens": "count", "cache_write_tokens": "count", "cache_write_1h_tokens": "count"}'::jsonb WHEN 'line'::text THEN '{"!": [], "ms": "count", "usd": "money", "model": "id", "provider": "id", "resources": {"!": [], "*": {"!": ["amount"], "amount": "money"}, "usd": "own", "tokens": "own", "iterations": "own"}, "usd_known": "flag", "iterations": "count", "input_tokens": "count", "tokens_known": "flag", "output_tokens": "count", "reasoning_tokens": "count", "cache_read_tokens": "count", "cache_write_tokens": "count", "provider_request_id": "id", "cache_write_1h_tokens": "count"}'::jsonb WHEN 'price'::text THEN '{"!": ["provider", "model", "token_class", "usd_per_million"], "match": "match", "model": "id", "source": "id", "provider": "id", "valid_to": "instant", "valid_from": "instant", "token_class": "token_class", "usd_per_million": "rate", "above_input_tokens": "count"}'::jsonb WHEN 'tool_call'::text THEN '{"!": ["name"], "id": "id", "name": "id", "status": "tool_status", "arguments": "digest"}'::jsonb WHEN 'tool_result'::text THEN '{"!": ["id", "status"], "id": "id", "status": "tool_status"}'::jsonb WHEN 'meter'::text THEN '{"!": ["pool_id", "spend"], "turn": "small", "lines": "lines", "model": "id", "spend": "spend", "detail": "json", "pool_id": "id", "purpose": "purpose", "provider": "id", "tool_calls": "tool_calls", "tool_results": "tool_results", "provider_request_id": "id"}'::jsonb WHEN 'spawn'::text THEN '{"!": ["pool_id", "label", "budget"], "key": "id", "label": "id", "budget": {"!": [], "*": "money", "usd": "money", "tokens": "count", "iterations": "count"}, "driver": "flag", "node_id": "id", "pool_id": "id", "runtime": "id", "lease_ms": "duration_ms", "task_ref": "digest"}'::jsonb WHEN 'settle'::text THEN '{"!": ["node_id", "outcome"], "infra": "flag", "lines": "lines", "model": "id", "spend": "spend", "detail": "json", "reason": "text", "node_id": "id", "out_ref": "id", "outcome": "outcome", "purpose": "purpose", "verdict": "json", "provider": "id", "tool_calls": "tool_calls", "tool_results": "tool_results", "provider_request_id": "id"}'::jsonb WHEN 'cancel'::text THEN '{"!": ["node_id", "reason"], "lines": "lines", "model": "id", "spend": "spend", "detail": "json", "reason": "text", "node_id": "id", "purpose": "purpose", "provider": "id", "tool_calls": "tool_calls", "tool_results": "tool_results", "provider_request_id": "id"}'::jsonb WHEN 'correct'::text THEN '{"!": ["of", "spend", "reason"], "of": "id", "lines": "lines", "spend": "spend", "reason": "text", "pool_id": "id", "tool_calls": "tool_calls"}'::jsonb WHEN 'dispatch'::text THEN '{"!": ["node_id"], "node_id": "id"}'::jsonb WHEN 'call'::text THEN '{"!": ["pool_id", "meter_id"], "turn": "small", "model": "id", "detail": "json", "pool_id": "id", "purpose": "purpose", "meter_id": "id", "provider": "id"}'::jsonb WHEN 'extend'::text THEN '{"!": ["node_id", "lease_ms"], "node_id": "id", "lease_ms": "duration_ms"}'::jsonb WHEN 'deliver'::text THEN '{"!": ["pool_id"], "pool_id": "id"}'::jsonb WHEN 'open_pool'::text THEN '{"!": ["pool_id", "channels"], "run": {"!": ["label"], "arm": "id", "task": "id", "label": "id", "replicate": "replicate", "experiment": "id"}, "pool_id": "id", "channels": {"!": [], "*": {"!": [], "unit": "id", "total": "money"}, "tokens": {"!": [], "unit": "id", "total": "count"}, "iterations": {"!": [], "unit": "id", "total": "count"}}, "max_depth": "small", "deadline_ms": "duration_ms", "unknown_usd": "unknown_usd", "token_charge": "token_charge", "parent_pool_id": "id"}'::jsonb WHEN 'fund'::text THEN '{"!": ["pool_id", "amounts"], "amounts": {"!": [], "*": "change", "tokens": "whole", "iterations": "whole"}, "pool_id": "id"}'::jsonb WHEN 'expire'::text THEN '{"!": [], "pool_id": "id"}'::jsonb WHEN 'freeze'::text THEN '{"!": ["pool_id"], "reason": "text", "pool_id": "id"}'::jsonb WHEN 'thaw'::text THEN '{"!": ["pool_id"], "reason": "text", "pool_id": "id"}'::jsonb WHEN 'close_pool'::text THEN '{"!": ["pool_id"], "pool_id": "id"}'::jsonb WHEN 'judge'::text THEN '{"!": ["run_id", "resolved"], "infra": "flag", "score": "score", "run_id": "id", "resolved": "flag"}'::jsonb WHEN 'plan'::text THEN '{"!": ["pool_id", "experiment", "plan_ref"], "pool_id": "id", "plan_ref": "id", "experiment": "id"}'::jsonb ELSE NULL::jsonb END;
alter function ledger_private.shape(text) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.sign_test(p_one bigint, p_other bigint)
 RETURNS numeric
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
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
$function$;
alter function ledger_private.sign_test(bigint,bigint) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.sound_channel(p_row ledger_private.channels)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  v_broken text;
begin
  -- what most rows are, told by less than what tells which rule another one breaks
  if p_row.payer_pool_id = p_row.pool_id and p_row.total + p_row.free is not null and p_row.seals = 0 and p_row.unknown >= 0
    and least(p_row.total, p_row.reserved, p_row.committed, p_row.uncertain, p_row.remainder) >= 0
    and greatest(p_row.uncertain, p_row.remainder) = 0 and greatest(p_row.total, p_row.free, p_row.reserved, p_row.committed) < 'Infinity'
    and (p_row.channel not in ('tokens', 'iterations') or greatest(p_row.total % 1, p_row.reserved % 1, p_row.committed % 1) = 0)
  then
    return true;
  end if;
  v_broken := case
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
  if v_broken is not null then
    perform ledger_private.raise_breach('channels', v_broken);
  end if;
  return true;
end;
$function$;
alter function ledger_private.sound_channel(ledger_private.channels) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.sound_event(p_row ledger_private.journal)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  v_difference constant boolean := p_row.kind = 'corrected';
  v_broken text;
begin
  -- what most rows are, told by less than what tells which rule another one breaks
  if p_row.kind in ('metered', 'spawned', 'settled', 'dispatched') and p_row.seq > 0 and p_row.effective_at <= p_row.recorded_at
    and p_row.source_pool_id is null and p_row.source_seq is null and p_row.corrects_seq is null
    and (p_row.outcome is null or p_row.outcome in ('done', 'down')) and (p_row.purpose is null or p_row.purpose = 'turn')
    and p_row.uncertain_tokens is null and p_row.uncertain_iterations is null and p_row.uncertain_usd is null
    and coalesce(least(
      p_row.iterations, p_row.input_tokens, p_row.output_tokens, p_row.cache_read_tokens, p_row.charged_tokens, p_row.usd, p_row.ms
    ), 0) >= 0
    and coalesce(greatest(
      p_row.iterations, p_row.input_tokens, p_row.output_tokens, p_row.charged_tokens, p_row.usd, p_row.ms,
      p_row.tokens_funded, p_row.tokens_held, p_row.tokens_spent, p_row.tokens_uncertain, p_row.iterations_funded, p_row.iterations_held,
      p_row.iterations_spent, p_row.iterations_uncertain, p_row.usd_funded, p_row.usd_held, p_row.usd_spent, p_row.usd_uncertain,
      p_row.usd_remainder
    ), 0) < 'Infinity'
    and p_row.cache_write_tokens is null and p_row.cache_write_1h_tokens is null and p_row.reasoning_tokens is null
    and (p_row.cache_read_tokens is null or p_row.cache_read_tokens <= p_row.input_tokens)
  then
    return true;
  end if;
  v_broken := case
    when p_row.kind not in (
      'opened', 'funded', 'spawned', 'dispatched', 'extended', 'settled', 'cancelled', 'metered', 'delivered', 'corrected', 'expired', 'frozen',
      'thawed', 'closed', 'judged', 'planned', 'drawn'
    ) then 'journal_kind_known'
    when p_row.outcome not in ('done', 'down', 'cancelled', 'expired') then 'journal_outcome_known'
    when p_row.purpose not in ('turn', 'compaction', 'failed', 'tool') then 'journal_purpose_known'
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
  if v_broken is not null then
    perform ledger_private.raise_breach('journal', v_broken);
  end if;
  return true;
end;
$function$;
alter function ledger_private.sound_event(ledger_private.journal) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.sound_head(p_row ledger_private.pool_heads)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.sound_head(ledger_private.pool_heads) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.sound_node(p_row ledger_private.nodes)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  v_broken constant text := case
    when p_row.status not in ('pending', 'dispatched', 'done', 'down', 'cancelled', 'expired') then 'nodes_status_known'
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
$function$;
alter function ledger_private.sound_node(ledger_private.nodes) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.sound_operation(p_row ledger_private.operations)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
declare
  v_broken constant text := case
    when p_row.code not in (
      'key-conflict', 'duplicate-key', 'pool-closed', 'pool-frozen', 'deadline-passed', 'depth-exceeded', 'usd-sealed', 'usd-unbudgeted',
      'budget-exhausted', 'not-free'
    ) then 'operations_code_known'
    when octet_length(p_row.digest) <> 32 then 'operations_digest_sha256'
    when p_row.code is not null and p_row.seq is not null then 'operations_refusal_has_no_row'
  end;
begin
  if v_broken is not null then
    perform ledger_private.raise_breach('operations', v_broken);
  end if;
  return true;
end;
$function$;
alter function ledger_private.sound_operation(ledger_private.operations) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.spawn_plainly(p_tenant_id text, p_operation jsonb, p_at timestamp with time zone)
 RETURNS ledger_private.answer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.spawn_plainly(text,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.spend_json(p_usage ledger_private.usage)
 RETURNS jsonb
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (CASE WHEN ((p_usage).cache_write_1h_tokens > (0)::numeric) THEN jsonb_build_object('cache_write_1h_tokens', ledger_private.text_of((p_usage).cache_write_1h_tokens)) ELSE '{}'::jsonb END || jsonb_build_object('iterations', ledger_private.text_of((p_usage).iterations), 'input_tokens', ledger_private.text_of((p_usage).input_tokens), 'output_tokens', ledger_private.text_of((p_usage).output_tokens), 'cache_read_tokens', ledger_private.text_of((p_usage).cache_read_tokens), 'cache_write_tokens', ledger_private.text_of((p_usage).cache_write_tokens), 'reasoning_tokens', ledger_private.text_of((p_usage).reasoning_tokens), 'charged_tokens', ledger_private.text_of((p_usage).charged_tokens), 'usd', ledger_private.text_of((p_usage).usd), 'ms', ledger_private.text_of((p_usage).ms), 'tokens_known', (p_usage).tokens_known, 'usd_known', (p_usage).usd_known, 'resources', COALESCE(ledger_private.resources_json((p_usage).resources), '{}'::jsonb)));
alter function ledger_private.spend_json(ledger_private.usage) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.steps(p_tenant_id text, p_operations jsonb[], p_priced jsonb[], p_at timestamp with time zone)
 RETURNS SETOF ledger_private.step
 LANGUAGE sql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.steps(text,jsonb[],jsonb[],timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.stop_of(p_steps ledger_private.step[], p_rows ledger_private.channels[], p_node_ids text[])
 RETURNS integer
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.stop_of(ledger_private.step[],ledger_private.channels[],text[]) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.sums_until(p_tenant_id text, p_pool_id text, p_at timestamp with time zone, p_effective boolean)
 RETURNS TABLE(channel text, funded numeric, held numeric, spent numeric, uncertain numeric, seals bigint)
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;
alter function ledger_private.sums_until(text,text,timestamp with time zone,boolean) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.supersede(p_node ledger_private.nodes)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  update ledger_private.nodes n set superseded = true
  where n.tenant_id = p_node.tenant_id and n.parent_node_id = p_node.parent_node_id and n.key = p_node.key and not n.superseded;
end;
$function$;
alter function ledger_private.supersede(ledger_private.nodes) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.tags_of(p_inherited jsonb, p_own jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN NULLIF(COALESCE((p_inherited || p_own), p_inherited, p_own), '{}'::jsonb);
alter function ledger_private.tags_of(jsonb,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.take_back(p_pool ledger_private.pools, p_operation jsonb, p_at timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
AS $function$
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
$function$;
alter function ledger_private.take_back(ledger_private.pools,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.text_of(p_amount numeric)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (trim_scale(p_amount))::text;
alter function ledger_private.text_of(numeric) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.tg_journal__append_only()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform ledger_private.raise_append_only(tg_table_schema, tg_table_name, tg_op);
  return null;
end;
$function$;
alter function ledger_private.tg_journal__append_only() owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.tg_journal__leave()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
alter function ledger_private.tg_journal__leave() owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.tg_journal_archive__enter()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
alter function ledger_private.tg_journal_archive__enter() owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.tg_prices__immutable()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  raise exception using
    errcode = 'restrict_violation',
    constraint = 'prices_immutable',
    table = tg_table_name,
    schema = tg_table_schema,
    message = format('a price book never changes: %s is not allowed', lower(tg_op)),
    hint = 'ledger.put_prices writes another book, ledger.use_prices chooses it';
end;
$function$;
alter function ledger_private.tg_prices__immutable() owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.tg_usage_lines__leave()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
alter function ledger_private.tg_usage_lines__leave() owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.tg_usage_lines_archive__enter()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;
alter function ledger_private.tg_usage_lines_archive__enter() owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.totals_of(p_channels jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
begin
  return coalesce((select jsonb_object_agg(c.key, c.value -> 'total') from jsonb_each(p_channels) c where c.value ? 'total'), '{}');
end;
$function$;
alter function ledger_private.totals_of(jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.unreported_usage(p_node ledger_private.nodes)
 RETURNS ledger_private.usage
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN ((p_node).dispatched_at IS NULL) THEN ledger_private.usage_of('{"usd": 0}'::jsonb, 'total'::text) ELSE ledger_private.ceiling_usage((p_node).budget) END;
alter function ledger_private.unreported_usage(ledger_private.nodes) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.usage_diff(p_true ledger_private.usage, p_booked ledger_private.usage)
 RETURNS ledger_private.usage
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.usage_diff(ledger_private.usage,ledger_private.usage) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.usage_in(p_event ledger_private.journal)
 RETURNS ledger_private.usage
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ROW(COALESCE((p_event).iterations, (0)::numeric), COALESCE((p_event).input_tokens, (0)::numeric), COALESCE((p_event).output_tokens, (0)::numeric), COALESCE((p_event).cache_read_tokens, (0)::numeric), COALESCE((p_event).cache_write_tokens, (0)::numeric), COALESCE((p_event).reasoning_tokens, (0)::numeric), COALESCE((p_event).charged_tokens, (0)::numeric), ((p_event).usd)::numeric, COALESCE((p_event).ms, (0)::numeric), COALESCE((p_event).uncertain_tokens, (0)::numeric), COALESCE((p_event).uncertain_iterations, (0)::numeric), COALESCE((p_event).uncertain_usd, (0)::numeric), (p_event).tokens_known, (p_event).usd_known, (p_event).resources, COALESCE((p_event).tokens_unknown, 0), COALESCE((p_event).iterations_unknown, 0), COALESCE((p_event).usd_unknown, 0), COALESCE((p_event).usd_seals, 0), COALESCE((p_event).cache_write_1h_tokens, (0)::numeric))::ledger_private.usage;
alter function ledger_private.usage_in(ledger_private.journal) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.usage_of(p_spend jsonb, p_token_charge text, p_budget jsonb DEFAULT NULL::jsonb)
 RETURNS ledger_private.usage
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.usage_of(jsonb,text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.violations(p_usage ledger_private.usage, p_budget jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.violations(ledger_private.usage,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.with_ending(p_event ledger_private.journal, p_node ledger_private.nodes, p_status text, p_operation jsonb)
 RETURNS ledger_private.journal
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
begin
  p_event.node_id := p_node.node_id;
  p_event.outcome := p_status;
  p_event.verdict := p_operation -> 'verdict';
  p_event.out_ref := p_operation ->> 'out_ref';
  p_event.infra := (p_operation -> 'infra')::boolean;
  p_event.tags := ledger_private.tags_of(p_node.tags, p_operation -> 'tags');
  return p_event;
end;
$function$;
alter function ledger_private.with_ending(ledger_private.journal,ledger_private.nodes,text,jsonb) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.with_estimate(p_spend jsonb, p_operation jsonb, p_card jsonb, p_at timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.with_estimate(jsonb,jsonb,jsonb,timestamp with time zone) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.with_move(p_event ledger_private.journal, p_move ledger_private.move, p_funded numeric, p_remainder numeric)
 RETURNS ledger_private.journal
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.with_move(ledger_private.journal,ledger_private.move,numeric,numeric) owner to ledger_owner;

CREATE OR REPLACE FUNCTION ledger_private.with_usage(p_event ledger_private.journal, p_usage ledger_private.usage)
 RETURNS ledger_private.journal
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
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
$function$;
alter function ledger_private.with_usage(ledger_private.journal,ledger_private.usage) owner to ledger_owner;

-- Views

create view ledger.archives with (security_invoker=true) as
 SELECT tenant_id,
    pool_id,
    first_seq,
    last_seq,
    run_id,
    events,
    lines,
    sums,
    export_digest,
    archived_at,
    archived_by
   FROM ledger_private.archives a;
alter view ledger.archives owner to ledger_owner;
comment on view ledger.archives is 'What has left the journal for the archive: stretches of seq, sums per channel, the digest of the export.';
grant select on ledger.archives to ledger_admin;
grant select on ledger.archives to ledger_auditor;
grant select on ledger.archives to ledger_writer;

create view ledger.arm_costs with (security_invoker=true) as
 SELECT tenant_id,
    experiment,
    arm,
    count(*) FILTER (WHERE left_out IS NULL) AS runs,
    count(*) FILTER (WHERE left_out IS NOT NULL) AS left_out_runs,
    COALESCE(sum(iterations) FILTER (WHERE left_out IS NULL), 0::numeric) AS iterations,
    COALESCE(sum(input_tokens) FILTER (WHERE left_out IS NULL), 0::numeric) AS input_tokens,
    COALESCE(sum(output_tokens) FILTER (WHERE left_out IS NULL), 0::numeric) AS output_tokens,
    COALESCE(sum(cache_read_tokens) FILTER (WHERE left_out IS NULL), 0::numeric) AS cache_read_tokens,
    COALESCE(sum(cache_write_tokens) FILTER (WHERE left_out IS NULL), 0::numeric) AS cache_write_tokens,
    COALESCE(sum(reasoning_tokens) FILTER (WHERE left_out IS NULL), 0::numeric) AS reasoning_tokens,
    COALESCE(sum(charged_tokens) FILTER (WHERE left_out IS NULL), 0::numeric) AS charged_tokens,
    trim_scale(COALESCE(sum(usd) FILTER (WHERE left_out IS NULL), 0::numeric)) AS usd,
    COALESCE(sum(ms) FILTER (WHERE left_out IS NULL), 0::numeric) AS ms,
    COALESCE(sum(uncertain_tokens) FILTER (WHERE left_out IS NULL), 0::numeric) AS uncertain_tokens,
    COALESCE(sum(uncertain_iterations) FILTER (WHERE left_out IS NULL), 0::numeric) AS uncertain_iterations,
    trim_scale(COALESCE(sum(uncertain_usd) FILTER (WHERE left_out IS NULL), 0::numeric)) AS uncertain_usd,
    COALESCE(bool_and(tokens_known) FILTER (WHERE left_out IS NULL), true) AS tokens_known,
    COALESCE(bool_and(usd_known) FILTER (WHERE left_out IS NULL), true) AS usd_known,
    trim_scale(COALESCE(sum(receipt_usd) FILTER (WHERE left_out IS NULL), 0::numeric)) AS receipt_usd,
    trim_scale(COALESCE(sum(estimated_usd) FILTER (WHERE left_out IS NULL), 0::numeric)) AS estimated_usd,
    COALESCE(sum(unknown_usd_events) FILTER (WHERE left_out IS NULL), 0::numeric) AS unknown_usd_events,
    COALESCE(sum(unknown_tokens_events) FILTER (WHERE left_out IS NULL), 0::numeric) AS unknown_tokens_events,
    COALESCE(sum(open_holds) FILTER (WHERE left_out IS NULL), 0::numeric) AS open_holds,
        CASE
            WHEN min(token_charge) = max(token_charge) THEN min(token_charge)
            ELSE NULL::text
        END AS token_charge,
    count(*) FILTER (WHERE left_out IS NULL AND resolved AND outcome IS DISTINCT FROM 'down'::text AND outcome IS DISTINCT FROM 'cancelled'::text) AS resolved_runs,
    count(*) FILTER (WHERE left_out IS NULL AND resolved IS NOT NULL AND outcome IS DISTINCT FROM 'down'::text AND outcome IS DISTINCT FROM 'cancelled'::text) AS judged_runs,
    count(*) FILTER (WHERE left_out IS NULL AND (outcome = ANY (ARRAY['down'::text, 'cancelled'::text]))) AS errored_runs,
    COALESCE(sum(charged_tokens) FILTER (WHERE left_out IS NOT NULL), 0::numeric) AS left_out_charged_tokens,
    trim_scale(COALESCE(sum(usd) FILTER (WHERE left_out IS NOT NULL), 0::numeric)) AS left_out_usd
   FROM ledger.run_costs c
  GROUP BY tenant_id, experiment, arm;
alter view ledger.arm_costs owner to ledger_owner;
comment on view ledger.arm_costs is 'What the arms of experiments cost, over the runs that count.';
grant select on ledger.arm_costs to ledger_admin;
grant select on ledger.arm_costs to ledger_auditor;
grant select on ledger.arm_costs to ledger_writer;

create view ledger.audit with (security_invoker=true) as
 SELECT a.tenant_id,
    a.pool_id,
    a.rule,
    a.detail
   FROM ledger_private.audit_balances a
UNION ALL
 SELECT a.tenant_id,
    a.pool_id,
    a.rule,
    a.detail
   FROM ledger_private.audit_holds a
UNION ALL
 SELECT a.tenant_id,
    a.pool_id,
    a.rule,
    a.detail
   FROM ledger_private.audit_sequence a
UNION ALL
 SELECT a.tenant_id,
    a.pool_id,
    a.rule,
    a.detail
   FROM ledger_private.audit_endings a
UNION ALL
 SELECT a.tenant_id,
    a.pool_id,
    a.rule,
    a.detail
   FROM ledger_private.audit_usage a
UNION ALL
 SELECT a.tenant_id,
    a.pool_id,
    a.rule,
    a.detail
   FROM ledger_private.audit_children a
UNION ALL
 SELECT a.tenant_id,
    a.pool_id,
    a.rule,
    a.detail
   FROM ledger_private.audit_draws a
UNION ALL
 SELECT a.tenant_id,
    a.pool_id,
    a.rule,
    a.detail
   FROM ledger_private.audit_runs a
UNION ALL
 SELECT a.tenant_id,
    a.pool_id,
    a.rule,
    a.detail
   FROM ledger_private.audit_archives a;
alter view ledger.audit owner to ledger_owner;
comment on view ledger.audit is 'What is wrong: tenant, pool, rule, detail. Zero rows = healthy.';
grant select on ledger.audit to ledger_admin;
grant select on ledger.audit to ledger_auditor;
grant select on ledger.audit to ledger_writer;

create view ledger.blobs with (security_invoker=true) as
 SELECT tenant_id,
    blob_id,
    octet_length(body) AS bytes,
    body,
    stored_at
   FROM ledger_private.blobs b;
alter view ledger.blobs owner to ledger_owner;
comment on view ledger.blobs is 'Artifacts: sha256:<hex> of the bytes, and the bytes.';
grant select on ledger.blobs to ledger_admin;
grant select on ledger.blobs to ledger_auditor;
grant select on ledger.blobs to ledger_writer;

create view ledger.calls_in_doubt with (security_invoker=true) as
 SELECT r.tenant_id,
    r.run_id,
    p.pool_id,
    c.seq,
    c.meter_id,
    j.turn,
    j.purpose,
    j.provider,
    j.model,
    j.detail -> 'detail'::text AS detail,
    j.recorded_at AS dispatched_at
   FROM ledger_private.runs r
     CROSS JOIN LATERAL ( WITH RECURSIVE tree AS (
                 SELECT r.run_id AS pool_id
                UNION ALL
                 SELECT c_1.pool_id
                   FROM tree t_1
                     CROSS JOIN LATERAL ( SELECT k.pool_id
                           FROM ledger_private.pools k
                          WHERE k.tenant_id = r.tenant_id AND k.parent_pool_id = t_1.pool_id
                         OFFSET 0) c_1
                )
         SELECT t.pool_id
           FROM tree t) p
     CROSS JOIN LATERAL ( SELECT m.meter_id,
            min(m.seq) AS seq
           FROM ( SELECT
                        CASE k.kind
                            WHEN 'metered'::text THEN k.operation_id
                            ELSE k.detail ->> 'meter_id'::text
                        END AS meter_id,
                    k.seq,
                    k.kind = 'metered'::text AS metered
                   FROM ledger_private.history k
                  WHERE k.tenant_id = r.tenant_id AND k.pool_id = p.pool_id AND k.node_id = p.pool_id AND (k.kind = ANY (ARRAY['metered'::text, 'dispatched'::text]))
                 OFFSET 0) m
          GROUP BY m.meter_id
         HAVING NOT bool_or(m.metered)) c
     CROSS JOIN LATERAL ( SELECT k.turn,
            k.purpose,
            k.provider,
            k.model,
            k.detail,
            k.recorded_at
           FROM ledger_private.history k
          WHERE k.tenant_id = r.tenant_id AND k.pool_id = p.pool_id AND k.seq = c.seq
         OFFSET 0) j;
alter view ledger.calls_in_doubt owner to ledger_owner;
comment on view ledger.calls_in_doubt is 'Calls of drivers that were announced and not metered.';
grant select on ledger.calls_in_doubt to ledger_admin;
grant select on ledger.calls_in_doubt to ledger_auditor;
grant select on ledger.calls_in_doubt to ledger_writer;

create view ledger.channels with (security_invoker=true) as
 SELECT tenant_id,
    pool_id,
    channel,
    unit,
    total IS NOT NULL AS capped,
    trim_scale(total) AS total,
    trim_scale(free) AS free,
    trim_scale(reserved) AS reserved,
    trim_scale(committed) AS committed,
    trim_scale(uncertain) AS uncertain,
    unknown = 0 AS measured,
    seals > 0 AS sealed,
    payer_pool_id
   FROM ledger_private.channels c;
alter view ledger.channels owner to ledger_owner;
comment on view ledger.channels is 'Balances now: total = free + reserved + committed where capped.';
grant select on ledger.channels to ledger_admin;
grant select on ledger.channels to ledger_auditor;
grant select on ledger.channels to ledger_writer;

create view ledger.health with (security_invoker=true) as
 SELECT t.tenant_id,
    p.open_pools,
    c.sealed_channels,
    p.frozen_pools,
    h.open_holds,
    o.spawned_at AS oldest_hold_at,
    o.node_id AS oldest_hold_node_id,
    trunc(EXTRACT(epoch FROM statement_timestamp() - o.spawned_at) * 1000::numeric)::bigint AS oldest_hold_ms,
    h.leases_passed,
    h.events,
    trim_scale(round(j.unknown_tokens::numeric / NULLIF(j.spends, 0::numeric), 6)) AS unknown_tokens_share,
    trim_scale(round(j.unknown_usd::numeric / NULLIF(j.spends, 0::numeric), 6)) AS unknown_usd_share,
    trim_scale(round(j.uncertain_tokens / NULLIF(j.charged_tokens, 0::numeric), 6)) AS uncertain_tokens_share,
    trim_scale(round(j.uncertain_usd / NULLIF(j.usd, 0::numeric), 6)) AS uncertain_usd_share,
    r.refusals_24h,
    n.retries_24h
   FROM ledger_private.tenants t
     CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE p_1.state = 'open'::text) AS open_pools,
            count(*) FILTER (WHERE p_1.state = 'frozen'::text) AS frozen_pools
           FROM ledger_private.pools p_1
          WHERE p_1.tenant_id = t.tenant_id) p
     CROSS JOIN LATERAL ( SELECT count(*) AS sealed_channels
           FROM ledger_private.channels c_1
          WHERE c_1.tenant_id = t.tenant_id AND c_1.seals > 0) c
     CROSS JOIN LATERAL ( SELECT COALESCE(sum(h_1.open_holds), 0::bigint) AS open_holds,
            COALESCE(sum(h_1.seq), 0::numeric)::bigint AS events,
            count(*) FILTER (WHERE h_1.open_holds > 0 AND h_1.next_lease_at <= statement_timestamp()) AS leases_passed
           FROM ledger_private.pool_heads h_1
          WHERE h_1.tenant_id = t.tenant_id) h
     LEFT JOIN LATERAL ( SELECT n_1.node_id,
            n_1.spawned_at
           FROM ledger_private.pool_heads h_1
             CROSS JOIN LATERAL ( SELECT n_2.node_id,
                    n_2.spawned_at
                   FROM ledger_private.nodes n_2
                  WHERE n_2.tenant_id = h_1.tenant_id AND n_2.parent_node_id = h_1.pool_id AND n_2.ended_at IS NULL
                 OFFSET 0) n_1
          WHERE h_1.tenant_id = t.tenant_id AND h_1.open_holds > 0
          ORDER BY n_1.spawned_at, n_1.node_id
         LIMIT 1) o ON true
     CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE j_1.kind <> 'corrected'::text)::numeric AS spends,
            COALESCE(sum(j_1.tokens_unknown), 0::bigint) AS unknown_tokens,
            COALESCE(sum(j_1.usd_seals), 0::bigint) AS unknown_usd,
            sum(j_1.charged_tokens) AS charged_tokens,
            COALESCE(sum(j_1.uncertain_tokens), 0::numeric) AS uncertain_tokens,
            sum(j_1.usd) AS usd,
            COALESCE(sum(j_1.uncertain_usd), 0::numeric) AS uncertain_usd
           FROM ledger_private.history j_1
          WHERE j_1.tenant_id = t.tenant_id AND j_1.source_pool_id IS NULL AND j_1.iterations IS NOT NULL AND (j_1.kind = ANY (ARRAY['metered'::text, 'settled'::text, 'cancelled'::text, 'expired'::text, 'corrected'::text]))) j
     CROSS JOIN LATERAL ( SELECT count(*) AS refusals_24h
           FROM ledger_private.operations o_1
          WHERE o_1.tenant_id = t.tenant_id AND o_1.code IS NOT NULL AND o_1.at > (statement_timestamp() - '24:00:00'::interval)) r
     CROSS JOIN LATERAL ( SELECT COALESCE(sum(n_1.retries), 0::numeric)::bigint AS retries_24h
           FROM ledger_private.retries n_1
          WHERE n_1.tenant_id = t.tenant_id AND n_1.hour > (statement_timestamp() - '24:00:00'::interval)) n;
alter view ledger.health owner to ledger_owner;
comment on view ledger.health is 'One row per tenant: what is open, what waits, and what of its spend is unknown or uncertain.';
grant select on ledger.health to ledger_admin;
grant select on ledger.health to ledger_auditor;
grant select on ledger.health to ledger_writer;

create view ledger.journal with (security_invoker=true) as
 SELECT tenant_id,
    pool_id,
    seq,
    kind,
    operation_id,
    run_id,
    node_id,
    provider,
    model,
    provider_request_id,
    purpose,
    turn,
    tool_calls,
    tags,
    iterations,
    input_tokens,
    output_tokens,
        CASE
            WHEN iterations IS NOT NULL THEN COALESCE(cache_read_tokens, 0::numeric)
            ELSE NULL::numeric
        END AS cache_read_tokens,
        CASE
            WHEN iterations IS NOT NULL THEN COALESCE(cache_write_tokens, 0::numeric)
            ELSE NULL::numeric
        END AS cache_write_tokens,
        CASE
            WHEN iterations IS NOT NULL THEN COALESCE(reasoning_tokens, 0::numeric)
            ELSE NULL::numeric
        END AS reasoning_tokens,
    charged_tokens,
    trim_scale(usd) AS usd,
        CASE
            WHEN iterations IS NOT NULL THEN COALESCE(ms, 0::numeric)
            ELSE NULL::numeric
        END AS ms,
        CASE
            WHEN iterations IS NOT NULL THEN COALESCE(uncertain_tokens, 0::numeric)
            ELSE NULL::numeric
        END AS uncertain_tokens,
        CASE
            WHEN iterations IS NOT NULL THEN COALESCE(uncertain_iterations, 0::numeric)
            ELSE NULL::numeric
        END AS uncertain_iterations,
        CASE
            WHEN iterations IS NOT NULL THEN COALESCE(trim_scale(uncertain_usd), 0::numeric)
            ELSE NULL::numeric
        END AS uncertain_usd,
    tokens_known,
    usd_known,
    resources,
    verdict,
    outcome,
    out_ref,
    reason,
    detail,
    source_pool_id,
    source_seq,
    effective_at,
    recorded_at,
    recorded_by,
    corrects_seq,
    infra,
        CASE
            WHEN iterations IS NOT NULL THEN COALESCE(cache_write_1h_tokens, 0::numeric)
            ELSE NULL::numeric
        END AS cache_write_1h_tokens
   FROM ledger_private.history j;
alter view ledger.journal owner to ledger_owner;
comment on view ledger.journal is 'Every event, append-only, dense seq per pool.';
grant select on ledger.journal to ledger_admin;
grant select on ledger.journal to ledger_auditor;
grant select on ledger.journal to ledger_writer;

create view ledger.nodes with (security_invoker=true) as
 SELECT n.tenant_id,
    n.node_id,
    n.parent_node_id,
    n.run_id,
    n.driver,
    n.label,
    n.runtime,
    n.key,
    n.status,
    n.budget,
    n.hold,
    COALESCE(n.lease_at, i.lease_at) AS lease_at,
    n.ended_at IS NULL AND COALESCE(COALESCE(n.lease_at, i.lease_at) <= statement_timestamp(), false) AS lapsed,
    n.cursor,
        CASE
            WHEN n.ended_at IS NOT NULL THEN n.status
            ELSE NULL::text
        END AS outcome,
    n.verdict,
    n.out_ref,
    n.reason,
    n.infra,
    n.tags,
    n.spawned_at,
    n.dispatched_at,
    n.ended_at,
    n.task_ref,
    n.terminal_seq,
    n.superseded
   FROM ledger_private.nodes n
     LEFT JOIN LATERAL ( WITH RECURSIVE above AS (
                 SELECT p.parent_node_id,
                    p.lease_at
                   FROM ledger_private.nodes p
                  WHERE p.tenant_id = n.tenant_id AND p.node_id = n.parent_node_id AND n.lease_at IS NULL AND n.ended_at IS NULL
                UNION ALL
                 SELECT p.parent_node_id,
                    p.lease_at
                   FROM above a_1
                     JOIN ledger_private.nodes p ON p.tenant_id = n.tenant_id AND p.node_id = a_1.parent_node_id
                  WHERE a_1.lease_at IS NULL
                )
         SELECT a.lease_at
           FROM above a
          WHERE a.lease_at IS NOT NULL) i ON true;
alter view ledger.nodes owner to ledger_owner;
comment on view ledger.nodes is 'Every node with status, hold, lease and end.';
grant select on ledger.nodes to ledger_admin;
grant select on ledger.nodes to ledger_auditor;
grant select on ledger.nodes to ledger_writer;

create view ledger.plans with (security_invoker=true) as
 SELECT tenant_id,
    experiment,
    plan_ref,
    pool_id,
    seq,
    registered_at,
    registered_by
   FROM ledger_private.plans p;
alter view ledger.plans owner to ledger_owner;
comment on view ledger.plans is 'Plans of experiments, as registered; the bytes are the blob of plan_ref.';
grant select on ledger.plans to ledger_admin;
grant select on ledger.plans to ledger_auditor;
grant select on ledger.plans to ledger_writer;

create view ledger.pool_heads with (security_invoker=true) as
 SELECT tenant_id,
    pool_id,
    seq,
    open_holds,
    undelivered,
    next_lease_at
   FROM ledger_private.pool_heads h;
alter view ledger.pool_heads owner to ledger_owner;
comment on view ledger.pool_heads is 'The last seq of each pool: what has moved.';
grant select on ledger.pool_heads to ledger_admin;
grant select on ledger.pool_heads to ledger_auditor;
grant select on ledger.pool_heads to ledger_writer;

create view ledger.pools with (security_invoker=true) as
 SELECT tenant_id,
    pool_id,
    parent_pool_id,
    run_id,
    state,
    deadline_at,
    unknown_usd,
    token_charge,
    depth,
    depth_left,
    tags,
    opened_at
   FROM ledger_private.pools p;
alter view ledger.pools owner to ledger_owner;
comment on view ledger.pools is 'Budgets: parent, run, state, limits and charge unit.';
grant select on ledger.pools to ledger_admin;
grant select on ledger.pools to ledger_auditor;
grant select on ledger.pools to ledger_writer;

create view ledger.postings with (security_invoker=true) as
 SELECT j.tenant_id,
    j.pool_id,
    j.seq,
    j.kind,
    j.operation_id,
    j.run_id,
    j.node_id,
    m.channel,
    trim_scale(m.funded) AS funded,
    trim_scale(m.held) AS held,
    trim_scale(m.spent) AS spent,
    trim_scale(m.uncertain) AS uncertain,
    j.effective_at,
    j.recorded_at,
    trim_scale(m.remainder) AS remainder
   FROM ledger_private.history j
     CROSS JOIN LATERAL ( SELECT 'tokens'::text AS channel,
            COALESCE(j.tokens_funded, 0::numeric) AS funded,
            COALESCE(j.tokens_held, 0::numeric) AS held,
            COALESCE(j.tokens_spent, 0::numeric) AS spent,
            COALESCE(j.tokens_uncertain, 0::numeric) AS uncertain,
            0::numeric AS remainder
        UNION ALL
         SELECT 'iterations'::text,
            COALESCE(j.iterations_funded, 0::numeric) AS "coalesce",
            COALESCE(j.iterations_held, 0::numeric) AS "coalesce",
            COALESCE(j.iterations_spent, 0::numeric) AS "coalesce",
            COALESCE(j.iterations_uncertain, 0::numeric) AS "coalesce",
            0
        UNION ALL
         SELECT 'usd'::text,
            COALESCE(j.usd_funded, 0::numeric) AS "coalesce",
            COALESCE(j.usd_held, 0::numeric) AS "coalesce",
            COALESCE(j.usd_spent, 0::numeric) + COALESCE(j.usd_remainder, 0::numeric),
            COALESCE(j.usd_uncertain, 0::numeric) + COALESCE(j.usd_remainder, 0::numeric),
            COALESCE(j.usd_remainder, 0::numeric) AS "coalesce"
        UNION ALL
         SELECT r.key,
            COALESCE((r.value -> 'funded'::text)::numeric, 0::numeric) AS "coalesce",
            COALESCE((r.value -> 'held'::text)::numeric, 0::numeric) AS "coalesce",
            COALESCE((r.value -> 'spent'::text)::numeric, 0::numeric) AS "coalesce",
            COALESCE((r.value -> 'uncertain'::text)::numeric, 0::numeric) AS "coalesce",
            0
           FROM jsonb_each(j.resource_moves) r(key, value)) m
  WHERE m.funded <> 0::numeric OR m.held <> 0::numeric OR m.spent <> 0::numeric OR m.uncertain <> 0::numeric OR m.remainder <> 0::numeric;
alter view ledger.postings owner to ledger_owner;
comment on view ledger.postings is 'What each event did to each channel: sums give any balance at any seq or time.';
grant select on ledger.postings to ledger_admin;
grant select on ledger.postings to ledger_auditor;
grant select on ledger.postings to ledger_writer;

create view ledger.price_books with (security_invoker=true) as
 SELECT b.tenant_id,
    b.book,
    b.source,
    ( SELECT count(*) AS count
           FROM ledger_private.prices p
          WHERE p.tenant_id = b.tenant_id AND p.book = b.book) AS prices,
    COALESCE(t.price_book = b.book, false) AS current,
    b.recorded_at,
    b.recorded_by
   FROM ledger_private.price_books b
     JOIN ledger_private.tenants t ON t.tenant_id = b.tenant_id;
alter view ledger.price_books owner to ledger_owner;
comment on view ledger.price_books is 'Price books: how many prices, where from, which is current.';
grant select on ledger.price_books to ledger_admin;
grant select on ledger.price_books to ledger_auditor;
grant select on ledger.price_books to ledger_writer;

create view ledger.priced_usage with (security_invoker=true) as
 SELECT p.tenant_id,
    b.book,
    p.run_id,
    p.pool_id,
    c.seq,
    e.node_id,
    c.provider,
    c.model,
    c.provider_request_id,
    e.purpose,
    e.effective_at,
    c.input_tokens,
    c.output_tokens,
    c.cache_read_tokens,
    c.cache_write_tokens,
    c.cache_write_1h_tokens,
    c.reasoning_tokens,
    c.tokens_known,
    c.booked_usd,
    c.booked_usd_known,
        CASE
            WHEN c.tokens_known THEN x.p_usd
            ELSE NULL::numeric
        END AS usd
   FROM ( SELECT r.tenant_id,
            r.run_id,
            t.pool_id
           FROM ledger_private.runs r
             CROSS JOIN LATERAL ( WITH RECURSIVE tree AS (
                         SELECT r.run_id AS pool_id
                        UNION ALL
                         SELECT k.pool_id
                           FROM tree t_2
                             CROSS JOIN LATERAL ( SELECT q.pool_id
                                   FROM ledger_private.pools q
                                  WHERE q.tenant_id = r.tenant_id AND q.parent_pool_id = t_2.pool_id
                                 OFFSET 0) k
                        )
                 SELECT t_1.pool_id
                   FROM tree t_1) t
        UNION ALL
         SELECT q.tenant_id,
            NULL::text,
            q.pool_id
           FROM ledger_private.pools q
          WHERE q.run_id IS NULL) p
     JOIN ledger_private.price_books b ON b.tenant_id = p.tenant_id
     CROSS JOIN LATERAL ( WITH parts AS (
                 SELECT u.tenant_id,
                    u.pool_id,
                    u.seq,
                    u.line,
                    u.run_id,
                    u.node_id,
                    u.kind,
                    u.operation_id,
                    u.provider,
                    u.model,
                    u.provider_request_id,
                    u.purpose,
                    u.tags,
                    u.iterations,
                    u.input_tokens,
                    u.output_tokens,
                    u.cache_read_tokens,
                    u.cache_write_tokens,
                    u.reasoning_tokens,
                    u.charged_tokens,
                    u.usd,
                    u.ms,
                    u.uncertain_tokens,
                    u.uncertain_iterations,
                    u.uncertain_usd,
                    u.tokens_known,
                    u.usd_known,
                    u.resources,
                    u.effective_at,
                    u.recorded_at,
                    u.cache_write_1h_tokens,
                    COALESCE(j.corrects_seq, u.seq) AS event_seq,
                        CASE
                            WHEN l.seq IS NULL THEN u.line
                            ELSE NULL::integer
                        END AS call,
                    l.seq AS last_seq,
                    l.seq IS NULL OR u.seq = l.seq AS latest,
                    COALESCE(l.tokens_known, false) AS tokens_now_known,
                    COALESCE(l.usd_known, false) AS usd_now_known
                   FROM ledger.usage_lines u
                     CROSS JOIN LATERAL ( SELECT k_1.corrects_seq
                           FROM ledger_private.history k_1
                          WHERE k_1.tenant_id = u.tenant_id AND k_1.pool_id = u.pool_id AND k_1.seq = u.seq
                         OFFSET 0) j
                     LEFT JOIN LATERAL ( SELECT k_1.seq,
                            k_1.tokens_known,
                            k_1.usd_known
                           FROM ledger_private.history k_1
                          WHERE k_1.tenant_id = u.tenant_id AND k_1.pool_id = u.pool_id AND k_1.corrects_seq = COALESCE(j.corrects_seq, u.seq)
                          ORDER BY k_1.seq DESC
                         LIMIT 1) l ON true
                  WHERE u.tenant_id = p.tenant_id AND u.pool_id = p.pool_id
                ), sums AS (
                 SELECT s.event_seq AS seq,
                    s.provider,
                    s.model,
                    s.provider_request_id,
                    sum(s.input_tokens) AS input_tokens,
                    sum(s.output_tokens) AS output_tokens,
                    sum(s.cache_read_tokens) AS cache_read_tokens,
                    sum(s.cache_write_tokens) AS cache_write_tokens,
                    sum(s.cache_write_1h_tokens) AS cache_write_1h_tokens,
                    sum(s.reasoning_tokens) AS reasoning_tokens,
                    sum(s.usd) AS usd,
                    sum(s.uncertain_usd) AS uncertain_usd,
                    max(s.last_seq) IS NOT NULL AS corrected,
                    bool_or(s.tokens_now_known) OR COALESCE(bool_and(s.tokens_known) FILTER (WHERE s.latest), false) AS tokens_known,
                    bool_or(s.usd_now_known) OR COALESCE(bool_and(s.usd_known) FILTER (WHERE s.latest), false) AS usd_known
                   FROM parts s
                  GROUP BY s.event_seq, s.provider, s.model, s.provider_request_id, s.call
                ), calls AS (
                 SELECT s.seq,
                    s.provider,
                    s.model,
                    s.provider_request_id,
                    s.input_tokens,
                    s.output_tokens,
                    s.cache_read_tokens,
                    s.cache_write_tokens,
                    s.cache_write_1h_tokens,
                    s.reasoning_tokens,
                    s.tokens_known,
                    s.usd_known AS booked_usd_known,
                        CASE
                            WHEN s.usd_known OR NOT s.corrected OR s.usd <> 0::numeric OR s.uncertain_usd <> 0::numeric THEN trim_scale(s.usd)
                            ELSE NULL::numeric
                        END AS booked_usd
                   FROM sums s
                  WHERE NOT s.tokens_known OR NOT s.usd_known OR s.model IS NOT NULL AND NOT s.corrected OR s.input_tokens <> 0::numeric OR s.output_tokens <> 0::numeric OR COALESCE(s.usd, 0::numeric) <> 0::numeric
                ), known AS MATERIALIZED (
                 SELECT m_1.provider,
                    m_1.model,
                    ledger.rates_of(p.tenant_id, b.book, m_1.provider, m_1.model) AS rates
                   FROM ( SELECT DISTINCT k_1.provider,
                            k_1.model
                           FROM calls k_1) m_1
                )
         SELECT k.seq,
            k.provider,
            k.model,
            k.provider_request_id,
            k.input_tokens,
            k.output_tokens,
            k.cache_read_tokens,
            k.cache_write_tokens,
            k.cache_write_1h_tokens,
            k.reasoning_tokens,
            k.tokens_known,
            k.booked_usd_known,
            k.booked_usd,
            m.rates
           FROM calls k
             JOIN known m ON COALESCE(m.provider, ''::text) = COALESCE(k.provider, ''::text) AND COALESCE(m.model, ''::text) = COALESCE(k.model, ''::text)) c
     CROSS JOIN LATERAL ( SELECT j.node_id,
            COALESCE(j.purpose, s.purpose) AS purpose,
            COALESCE(s.effective_at, j.effective_at) AS effective_at
           FROM ledger_private.history j
             LEFT JOIN LATERAL ( SELECT k.purpose,
                    k.effective_at
                   FROM ledger_private.history k
                  WHERE j.kind = 'expired'::text AND k.tenant_id = j.tenant_id AND k.pool_id = j.pool_id AND k.corrects_seq = j.seq AND k.outcome IS NOT NULL
                 LIMIT 1) s ON true
          WHERE j.tenant_id = p.tenant_id AND j.pool_id = p.pool_id AND j.seq = c.seq
         OFFSET 0) e
     CROSS JOIN LATERAL ledger.price_of(c.rates, e.effective_at, c.input_tokens, c.output_tokens, c.cache_read_tokens, c.cache_write_tokens, c.cache_write_1h_tokens, c.reasoning_tokens) x(p_usd, p_free);
alter view ledger.priced_usage owner to ledger_owner;
comment on view ledger.priced_usage is 'Every call under every price book: usd beside what was booked.';
grant select on ledger.priced_usage to ledger_admin;
grant select on ledger.priced_usage to ledger_auditor;
grant select on ledger.priced_usage to ledger_writer;

create view ledger.prices with (security_invoker=true) as
 SELECT tenant_id,
    book,
    provider,
    match,
    model,
    token_class,
    above_input_tokens,
    NULLIF(valid_from, '-infinity'::timestamp with time zone) AS valid_from,
    NULLIF(valid_to, 'infinity'::timestamp with time zone) AS valid_to,
    trim_scale(usd_per_million) AS usd_per_million,
    source
   FROM ledger_private.prices p;
alter view ledger.prices owner to ledger_owner;
comment on view ledger.prices is 'Price per provider, model, token class, size of the call and time.';
grant select on ledger.prices to ledger_admin;
grant select on ledger.prices to ledger_auditor;
grant select on ledger.prices to ledger_writer;

create view ledger.refusals with (security_invoker=true) as
 SELECT tenant_id,
    pool_id,
    operation_id,
    label,
    code,
    COALESCE(result -> 'shortfall'::text, '[]'::jsonb) AS shortfall,
    at
   FROM ledger_private.operations o
  WHERE code IS NOT NULL;
alter view ledger.refusals owner to ledger_owner;
comment on view ledger.refusals is 'Refused operations: pool, label, reason, shortfall, when.';
grant select on ledger.refusals to ledger_admin;
grant select on ledger.refusals to ledger_auditor;
grant select on ledger.refusals to ledger_writer;

create view ledger.run_costs with (security_invoker=true) as
 SELECT r.tenant_id,
    r.experiment,
    r.arm,
    r.task,
    r.replicate,
    r.run_id,
        CASE
            WHEN r.infra THEN 'infra'::text
            WHEN r.beside_infra THEN 'paired'::text
            ELSE NULL::text
        END AS left_out,
    r.outcome,
    r.resolved,
    r.opened_at,
    p.token_charge,
    s.iterations,
    s.input_tokens,
    s.output_tokens,
    s.cache_read_tokens,
    s.cache_write_tokens,
    s.reasoning_tokens,
    s.charged_tokens,
    trim_scale(s.usd) AS usd,
    s.ms,
    s.uncertain_tokens,
    s.uncertain_iterations,
    trim_scale(s.uncertain_usd) AS uncertain_usd,
    (s.tokens_unknown + d.lost) = 0 AS tokens_known,
    (s.usd_unknown + d.lost) = 0 AS usd_known,
    trim_scale(s.usd - s.uncertain_usd) AS receipt_usd,
    trim_scale(s.uncertain_usd) AS estimated_usd,
    s.usd_seals + d.lost AS unknown_usd_events,
    s.tokens_unknown + d.lost AS unknown_tokens_events,
    s.open_holds +
        CASE
            WHEN p.parent_pool_id IS NOT NULL AND r.outcome IS NULL THEN 1
            ELSE 0
        END + d.under_way AS open_holds,
    s.first_spend_at
   FROM ( SELECT u.tenant_id,
            u.run_id,
            u.label,
            u.experiment,
            u.arm,
            u.task,
            u.replicate,
            u.outcome,
            u.verdict,
            u.out_ref,
            u.reason,
            u.infra,
            u.resolved,
            u.score,
            u.opened_at,
            u.judged_at,
            bool_or(u.infra) OVER (PARTITION BY u.tenant_id, u.experiment, u.task, u.replicate) AS beside_infra
           FROM ledger_private.runs u
          WHERE u.experiment IS NOT NULL) r
     CROSS JOIN LATERAL ( SELECT p_1.parent_pool_id,
            p_1.token_charge
           FROM ledger_private.pools p_1
          WHERE p_1.tenant_id = r.tenant_id AND p_1.pool_id = r.run_id
         OFFSET 0) p
     CROSS JOIN LATERAL ( WITH RECURSIVE tree AS (
                 SELECT r.run_id AS pool_id
                UNION ALL
                 SELECT c.pool_id
                   FROM tree t_1
                     CROSS JOIN LATERAL ( SELECT p_1.pool_id
                           FROM ledger_private.pools p_1
                          WHERE p_1.tenant_id = r.tenant_id AND p_1.parent_pool_id = t_1.pool_id
                         OFFSET 0) c
                )
         SELECT COALESCE(sum(j.iterations), 0::numeric) AS iterations,
            COALESCE(sum(j.input_tokens), 0::numeric) AS input_tokens,
            COALESCE(sum(j.output_tokens), 0::numeric) AS output_tokens,
            COALESCE(sum(j.cache_read_tokens), 0::numeric) AS cache_read_tokens,
            COALESCE(sum(j.cache_write_tokens), 0::numeric) AS cache_write_tokens,
            COALESCE(sum(j.reasoning_tokens), 0::numeric) AS reasoning_tokens,
            COALESCE(sum(j.charged_tokens), 0::numeric) AS charged_tokens,
            COALESCE(sum(j.usd), 0::numeric) AS usd,
            COALESCE(sum(j.ms), 0::numeric) AS ms,
            COALESCE(sum(j.uncertain_tokens), 0::numeric) AS uncertain_tokens,
            COALESCE(sum(j.uncertain_iterations), 0::numeric) AS uncertain_iterations,
            COALESCE(sum(j.uncertain_usd), 0::numeric) AS uncertain_usd,
            COALESCE(sum(j.tokens_unknown), 0::bigint) AS tokens_unknown,
            COALESCE(sum(j.usd_unknown), 0::bigint) AS usd_unknown,
            COALESCE(sum(j.usd_seals), 0::bigint) AS usd_seals,
            count(*) FILTER (WHERE j.kind = 'dispatched'::text) AS announced,
            min(j.effective_at) FILTER (WHERE j.charged_tokens > 0::numeric OR j.usd > 0::numeric OR NOT j.tokens_known OR NOT j.usd_known OR j.iterations > 0::numeric OR j.ms > 0::numeric OR j.input_tokens > 0::numeric OR j.output_tokens > 0::numeric OR j.resources IS NOT NULL) AS first_spend_at,
            ( SELECT COALESCE(sum(h.open_holds), 0::bigint) AS "coalesce"
                   FROM tree t_1
                     CROSS JOIN LATERAL ( SELECT h_1.open_holds
                           FROM ledger_private.pool_heads h_1
                          WHERE h_1.tenant_id = r.tenant_id AND h_1.pool_id = t_1.pool_id
                         OFFSET 0) h) AS open_holds
           FROM tree t
             CROSS JOIN LATERAL ( SELECT j_1.iterations,
                    j_1.input_tokens,
                    j_1.output_tokens,
                    j_1.cache_read_tokens,
                    j_1.cache_write_tokens,
                    j_1.reasoning_tokens,
                    j_1.charged_tokens,
                    j_1.usd,
                    j_1.ms,
                    j_1.uncertain_tokens,
                    j_1.uncertain_iterations,
                    j_1.uncertain_usd,
                    j_1.tokens_unknown,
                    j_1.usd_unknown,
                    j_1.usd_seals,
                    j_1.effective_at,
                    j_1.tokens_known,
                    j_1.usd_known,
                    j_1.resources,
                    j_1.kind
                   FROM ledger_private.history j_1
                  WHERE j_1.tenant_id = r.tenant_id AND j_1.pool_id = t.pool_id AND j_1.source_pool_id IS NULL AND ((j_1.kind = ANY (ARRAY['metered'::text, 'settled'::text, 'cancelled'::text, 'expired'::text, 'corrected'::text])) OR j_1.kind = 'dispatched'::text AND j_1.node_id = j_1.pool_id)
                 OFFSET 0) j) s
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN r.outcome IS NULL THEN c.calls
                    ELSE 0::bigint
                END AS under_way,
                CASE
                    WHEN r.outcome IS NULL THEN 0::bigint
                    ELSE c.calls
                END AS lost
           FROM ( SELECT
                        CASE
                            WHEN s.announced > 0 THEN ( SELECT count(*) AS count
                               FROM ledger.calls_in_doubt k
                              WHERE k.tenant_id = r.tenant_id AND k.run_id = r.run_id)
                            ELSE 0::bigint
                        END AS calls
                 OFFSET 0) c) d;
alter view ledger.run_costs owner to ledger_owner;
comment on view ledger.run_costs is 'What each run of an experiment cost, and whether it counts.';
grant select on ledger.run_costs to ledger_admin;
grant select on ledger.run_costs to ledger_auditor;
grant select on ledger.run_costs to ledger_writer;

create view ledger.run_prices with (security_invoker=true) as
 SELECT r.tenant_id,
    r.run_id,
    b.book,
    u.calls,
    u.unpriced_calls,
    u.usd,
    u.unpriced_calls = 0 AS usd_known,
    u.booked_usd,
    u.booked_usd_known
   FROM ledger_private.runs r
     JOIN ledger_private.price_books b ON b.tenant_id = r.tenant_id
     CROSS JOIN LATERAL ( SELECT count(*) AS calls,
            count(*) FILTER (WHERE u_1.usd IS NULL) AS unpriced_calls,
                CASE
                    WHEN count(*) = 0 THEN 0::numeric
                    ELSE trim_scale(sum(u_1.usd))
                END AS usd,
                CASE
                    WHEN count(*) = 0 THEN 0::numeric
                    ELSE trim_scale(sum(u_1.booked_usd))
                END AS booked_usd,
            COALESCE(bool_and(u_1.booked_usd_known), true) AS booked_usd_known
           FROM ledger.priced_usage u_1
          WHERE u_1.tenant_id = r.tenant_id AND u_1.run_id = r.run_id AND u_1.book = b.book) u;
alter view ledger.run_prices owner to ledger_owner;
comment on view ledger.run_prices is 'What each run would cost under each price book.';
grant select on ledger.run_prices to ledger_admin;
grant select on ledger.run_prices to ledger_auditor;
grant select on ledger.run_prices to ledger_writer;

create view ledger.runs with (security_invoker=true) as
 SELECT tenant_id,
    run_id,
    label,
    experiment,
    arm,
    task,
    replicate,
    outcome,
    verdict,
    out_ref,
    reason,
    infra,
    resolved,
    score,
    opened_at,
    judged_at
   FROM ledger_private.runs r;
alter view ledger.runs owner to ledger_owner;
comment on view ledger.runs is 'Runs: label, experiment, outcome, judgement.';
grant select on ledger.runs to ledger_admin;
grant select on ledger.runs to ledger_auditor;
grant select on ledger.runs to ledger_writer;

create view ledger.settlements with (security_invoker=true) as
 SELECT r.tenant_id,
    r.run_id,
    p.pool_id,
    n.node_id,
    t.seq,
    n.cursor,
    d.recorded_at AS delivered_at,
    d.seq AS delivered_seq,
    n.label,
    n.runtime,
    n.key,
    n.driver,
    n.status AS outcome,
    n.late,
    n.out_ref,
    n.verdict,
    n.reason,
    n.infra,
    t.iterations,
    t.input_tokens,
    t.output_tokens,
    COALESCE(t.cache_read_tokens, 0::numeric) AS cache_read_tokens,
    COALESCE(t.cache_write_tokens, 0::numeric) AS cache_write_tokens,
    COALESCE(t.reasoning_tokens, 0::numeric) AS reasoning_tokens,
    t.charged_tokens,
    trim_scale(t.usd) AS usd,
    COALESCE(t.ms, 0::numeric) AS ms,
    COALESCE(t.uncertain_tokens, 0::numeric) AS uncertain_tokens,
    COALESCE(t.uncertain_iterations, 0::numeric) AS uncertain_iterations,
    COALESCE(trim_scale(t.uncertain_usd), 0::numeric) AS uncertain_usd,
    t.tokens_known,
    t.usd_known,
    t.resources,
    t.effective_at,
    t.recorded_at
   FROM ledger_private.runs r
     CROSS JOIN LATERAL ( WITH RECURSIVE tree AS (
                 SELECT r.run_id AS pool_id
                UNION ALL
                 SELECT c.pool_id
                   FROM tree a_1
                     CROSS JOIN LATERAL ( SELECT k.pool_id
                           FROM ledger_private.pools k
                          WHERE k.tenant_id = r.tenant_id AND k.parent_pool_id = a_1.pool_id
                         OFFSET 0) c
                )
         SELECT a.pool_id
           FROM tree a) p
     CROSS JOIN LATERAL ( SELECT j.node_id,
            max(j.seq) FILTER (WHERE j.kind <> 'delivered'::text) AS seq,
            max(j.seq) FILTER (WHERE j.kind = 'delivered'::text) AS delivered_seq
           FROM ledger_private.history j
          WHERE j.tenant_id = r.tenant_id AND j.pool_id = p.pool_id AND (j.kind = ANY (ARRAY['settled'::text, 'cancelled'::text, 'expired'::text, 'delivered'::text]))
          GROUP BY j.node_id) e
     CROSS JOIN LATERAL ( SELECT k.tenant_id,
            k.node_id,
            k.parent_node_id,
            k.run_id,
            k.driver,
            k.label,
            k.runtime,
            k.key,
            k.superseded,
            k.budget,
            k.hold,
            k.tags,
            k.status,
            k.lease_at,
            k.cursor,
            k.terminal_seq,
            k.late,
            k.verdict,
            k.out_ref,
            k.reason,
            k.infra,
            k.spawned_at,
            k.dispatched_at,
            k.ended_at,
            k.task_ref
           FROM ledger_private.nodes k
          WHERE k.tenant_id = r.tenant_id AND k.node_id = e.node_id
         OFFSET 0) n
     CROSS JOIN LATERAL ( SELECT k.tenant_id,
            k.pool_id,
            k.seq,
            k.recorded_at,
            k.effective_at,
            k.kind,
            k.operation_id,
            k.recorded_by,
            k.run_id,
            k.node_id,
            k.source_pool_id,
            k.source_seq,
            k.corrects_seq,
            k.provider,
            k.model,
            k.provider_request_id,
            k.purpose,
            k.turn,
            k.tool_calls,
            k.tags,
            k.iterations,
            k.input_tokens,
            k.output_tokens,
            k.cache_read_tokens,
            k.cache_write_tokens,
            k.reasoning_tokens,
            k.charged_tokens,
            k.usd,
            k.ms,
            k.uncertain_tokens,
            k.uncertain_iterations,
            k.uncertain_usd,
            k.tokens_known,
            k.usd_known,
            k.resources,
            k.verdict,
            k.outcome,
            k.out_ref,
            k.reason,
            k.infra,
            k.detail,
            k.tokens_funded,
            k.tokens_held,
            k.tokens_spent,
            k.tokens_uncertain,
            k.tokens_unknown,
            k.iterations_funded,
            k.iterations_held,
            k.iterations_spent,
            k.iterations_uncertain,
            k.iterations_unknown,
            k.usd_funded,
            k.usd_held,
            k.usd_spent,
            k.usd_uncertain,
            k.usd_unknown,
            k.usd_seals,
            k.usd_remainder,
            k.resource_moves,
            k.cache_write_1h_tokens
           FROM ledger_private.history k
          WHERE k.tenant_id = r.tenant_id AND k.pool_id = p.pool_id AND k.seq = e.seq
         OFFSET 0) t
     LEFT JOIN LATERAL ( SELECT k.seq,
            k.recorded_at
           FROM ledger_private.history k
          WHERE k.tenant_id = r.tenant_id AND k.pool_id = p.pool_id AND k.seq = e.delivered_seq
         OFFSET 0) d ON true;
alter view ledger.settlements owner to ledger_owner;
comment on view ledger.settlements is 'Children of runs that have ended, with their artifact and their place in the order of delivery.';
grant select on ledger.settlements to ledger_admin;
grant select on ledger.settlements to ledger_auditor;
grant select on ledger.settlements to ledger_writer;

create view ledger.spend_gaps with (security_invoker=true) as
 SELECT r.tenant_id,
    r.run_id,
    x.node_id,
    x.gap,
    x.channels
   FROM ledger_private.runs r
     CROSS JOIN LATERAL ( WITH RECURSIVE tree AS (
                 SELECT r.run_id AS pool_id
                UNION ALL
                 SELECT c.pool_id
                   FROM tree t
                     CROSS JOIN LATERAL ( SELECT k.pool_id
                           FROM ledger_private.pools k
                          WHERE k.tenant_id = r.tenant_id AND k.parent_pool_id = t.pool_id
                         OFFSET 0) c
                ), calls AS (
                 SELECT t.pool_id,
                    j.node_id,
                    j.kind = 'metered'::text AS metered,
                    j.kind = 'dispatched'::text AS announced,
                        CASE j.kind
                            WHEN 'metered'::text THEN j.operation_id
                            WHEN 'dispatched'::text THEN j.detail ->> 'meter_id'::text
                            ELSE NULL::text
                        END AS meter_id,
                    j.tokens_unknown,
                    j.usd_unknown,
                    j.usd_seals,
                    j.uncertain_usd
                   FROM tree t
                     CROSS JOIN LATERAL ( SELECT k.node_id,
                            k.kind,
                            k.operation_id,
                            k.detail,
                            k.tokens_unknown,
                            k.usd_unknown,
                            k.usd_seals,
                            k.uncertain_usd
                           FROM ledger_private.history k
                          WHERE k.tenant_id = r.tenant_id AND k.pool_id = t.pool_id AND k.source_pool_id IS NULL AND ((k.kind = ANY (ARRAY['metered'::text, 'settled'::text, 'cancelled'::text, 'expired'::text, 'corrected'::text])) OR k.kind = 'dispatched'::text AND k.node_id = k.pool_id)
                         OFFSET 0) j
                ), by_call AS (
                 SELECT c.pool_id,
                    c.node_id,
                    bool_or(c.announced) AND NOT bool_or(c.metered) AS in_doubt,
                    sum(c.tokens_unknown) AS tokens_unknown,
                    sum(c.usd_unknown) AS usd_unknown,
                    sum(c.usd_seals) AS usd_seals,
                    sum(c.uncertain_usd) AS uncertain_usd
                   FROM calls c
                  GROUP BY c.pool_id, c.node_id, c.meter_id
                ), by_node AS (
                 SELECT c.pool_id,
                    c.node_id,
                    bool_or(c.in_doubt) AS in_doubt,
                    COALESCE(sum(c.tokens_unknown), 0::numeric) AS tokens_unknown,
                    COALESCE(sum(c.usd_unknown), 0::numeric) AS usd_unknown,
                    COALESCE(sum(c.usd_seals), 0::numeric) AS usd_seals,
                    COALESCE(sum(c.uncertain_usd), 0::numeric) AS uncertain_usd
                   FROM by_call c
                  GROUP BY c.pool_id, c.node_id
                )
         SELECT n.node_id,
            'never-settled'::text AS gap,
                CASE
                    WHEN n.hold = '{}'::jsonb THEN ARRAY['tokens'::text, 'usd'::text]
                    ELSE ARRAY( SELECT k.channel
                       FROM jsonb_object_keys(n.hold) k(channel)
                      ORDER BY (
                            CASE k.channel
                                WHEN 'tokens'::text THEN 0
                                WHEN 'iterations'::text THEN 1
                                WHEN 'usd'::text THEN 2
                                ELSE 3
                            END), (k.channel COLLATE "C"))
                END AS channels
           FROM tree t
             CROSS JOIN LATERAL ( SELECT h_1.open_holds
                   FROM ledger_private.pool_heads h_1
                  WHERE h_1.tenant_id = r.tenant_id AND h_1.pool_id = t.pool_id
                 OFFSET 0) h
             CROSS JOIN LATERAL ( SELECT k.node_id,
                    k.hold
                   FROM ledger_private.nodes k
                  WHERE k.tenant_id = r.tenant_id AND k.parent_node_id = t.pool_id AND k.ended_at IS NULL AND h.open_holds > 0 AND (k.hold <> '{}'::jsonb OR k.driver OR k.dispatched_at IS NOT NULL)
                 OFFSET 0) n
        UNION ALL
         SELECT g.node_id,
            'unreported'::text,
            array_remove(ARRAY[
                CASE
                    WHEN g.tokens THEN 'tokens'::text
                    ELSE NULL::text
                END,
                CASE
                    WHEN g.usd THEN 'usd'::text
                    ELSE NULL::text
                END], NULL::text) AS array_remove
           FROM ( SELECT b.node_id,
                    b.in_doubt OR b.tokens_unknown <> 0::numeric AS tokens,
                    b.in_doubt OR b.usd_seals <> 0::numeric OR b.usd_unknown <> 0::numeric AND COALESCE(b.uncertain_usd = k.ceiling, false) AS usd
                   FROM by_node b
                     LEFT JOIN LATERAL ( SELECT (n.budget ->> 'usd'::text)::numeric AS ceiling
                           FROM ledger_private.nodes n
                          WHERE n.tenant_id = r.tenant_id AND n.node_id = b.node_id AND b.usd_unknown <> 0::numeric AND b.node_id <> b.pool_id
                         OFFSET 0) k ON true) g
          WHERE g.tokens OR g.usd) x;
alter view ledger.spend_gaps owner to ledger_owner;
comment on view ledger.spend_gaps is 'Nodes of runs whose end or usage nobody has reported.';
grant select on ledger.spend_gaps to ledger_admin;
grant select on ledger.spend_gaps to ledger_auditor;
grant select on ledger.spend_gaps to ledger_writer;

create view ledger.spent_breakdown with (security_invoker=true) as
 SELECT r.tenant_id,
    r.run_id,
    s.source,
    s.iterations,
    s.input_tokens,
    s.output_tokens,
    s.cache_read_tokens,
    s.cache_write_tokens,
    s.reasoning_tokens,
    s.charged_tokens,
    trim_scale(s.usd) AS usd,
    s.ms,
    s.uncertain_tokens,
    s.uncertain_iterations,
    trim_scale(s.uncertain_usd) AS uncertain_usd,
    s.tokens_unknown = 0::numeric AS tokens_known,
    s.usd_unknown = 0::numeric AS usd_known,
    trim_scale(s.usd - s.uncertain_usd) AS receipt_usd,
    trim_scale(s.uncertain_usd) AS estimated_usd,
    s.usd_seals::bigint AS unknown_usd_events
   FROM ledger_private.runs r
     CROSS JOIN LATERAL ( WITH RECURSIVE tree AS (
                 SELECT r.run_id AS pool_id
                UNION ALL
                 SELECT c.pool_id
                   FROM tree t
                     CROSS JOIN LATERAL ( SELECT p.pool_id
                           FROM ledger_private.pools p
                          WHERE p.tenant_id = r.tenant_id AND p.parent_pool_id = t.pool_id
                         OFFSET 0) c
                ), own AS (
                 SELECT
                        CASE
                            WHEN j.node_id = j.pool_id THEN 'driver_inference'::text
                            ELSE 'child_work'::text
                        END AS source,
                    COALESCE(sum(j.iterations), 0::numeric) AS iterations,
                    COALESCE(sum(j.input_tokens), 0::numeric) AS input_tokens,
                    COALESCE(sum(j.output_tokens), 0::numeric) AS output_tokens,
                    COALESCE(sum(j.cache_read_tokens), 0::numeric) AS cache_read_tokens,
                    COALESCE(sum(j.cache_write_tokens), 0::numeric) AS cache_write_tokens,
                    COALESCE(sum(j.reasoning_tokens), 0::numeric) AS reasoning_tokens,
                    COALESCE(sum(j.charged_tokens), 0::numeric) AS charged_tokens,
                    COALESCE(sum(j.usd), 0::numeric) AS usd,
                    COALESCE(sum(j.ms), 0::numeric) AS ms,
                    COALESCE(sum(j.uncertain_tokens), 0::numeric) AS uncertain_tokens,
                    COALESCE(sum(j.uncertain_iterations), 0::numeric) AS uncertain_iterations,
                    COALESCE(sum(j.uncertain_usd), 0::numeric) AS uncertain_usd,
                    COALESCE(sum(j.tokens_unknown), 0::bigint) AS tokens_unknown,
                    COALESCE(sum(j.usd_unknown), 0::bigint) AS usd_unknown,
                    COALESCE(sum(j.usd_seals), 0::bigint) AS usd_seals
                   FROM tree t
                     CROSS JOIN LATERAL ( SELECT j_1.tenant_id,
                            j_1.pool_id,
                            j_1.seq,
                            j_1.recorded_at,
                            j_1.effective_at,
                            j_1.kind,
                            j_1.operation_id,
                            j_1.recorded_by,
                            j_1.run_id,
                            j_1.node_id,
                            j_1.source_pool_id,
                            j_1.source_seq,
                            j_1.corrects_seq,
                            j_1.provider,
                            j_1.model,
                            j_1.provider_request_id,
                            j_1.purpose,
                            j_1.turn,
                            j_1.tool_calls,
                            j_1.tags,
                            j_1.iterations,
                            j_1.input_tokens,
                            j_1.output_tokens,
                            j_1.cache_read_tokens,
                            j_1.cache_write_tokens,
                            j_1.reasoning_tokens,
                            j_1.charged_tokens,
                            j_1.usd,
                            j_1.ms,
                            j_1.uncertain_tokens,
                            j_1.uncertain_iterations,
                            j_1.uncertain_usd,
                            j_1.tokens_known,
                            j_1.usd_known,
                            j_1.resources,
                            j_1.verdict,
                            j_1.outcome,
                            j_1.out_ref,
                            j_1.reason,
                            j_1.infra,
                            j_1.detail,
                            j_1.tokens_funded,
                            j_1.tokens_held,
                            j_1.tokens_spent,
                            j_1.tokens_uncertain,
                            j_1.tokens_unknown,
                            j_1.iterations_funded,
                            j_1.iterations_held,
                            j_1.iterations_spent,
                            j_1.iterations_uncertain,
                            j_1.iterations_unknown,
                            j_1.usd_funded,
                            j_1.usd_held,
                            j_1.usd_spent,
                            j_1.usd_uncertain,
                            j_1.usd_unknown,
                            j_1.usd_seals,
                            j_1.usd_remainder,
                            j_1.resource_moves,
                            j_1.cache_write_1h_tokens
                           FROM ledger_private.history j_1
                          WHERE j_1.tenant_id = r.tenant_id AND j_1.pool_id = t.pool_id AND j_1.source_pool_id IS NULL AND (j_1.kind = ANY (ARRAY['metered'::text, 'settled'::text, 'cancelled'::text, 'expired'::text, 'corrected'::text]))
                         OFFSET 0) j
                  GROUP BY (
                        CASE
                            WHEN j.node_id = j.pool_id THEN 'driver_inference'::text
                            ELSE 'child_work'::text
                        END)
                )
         SELECT v.source,
            COALESCE(sum(o.iterations), 0::numeric) AS iterations,
            COALESCE(sum(o.input_tokens), 0::numeric) AS input_tokens,
            COALESCE(sum(o.output_tokens), 0::numeric) AS output_tokens,
            COALESCE(sum(o.cache_read_tokens), 0::numeric) AS cache_read_tokens,
            COALESCE(sum(o.cache_write_tokens), 0::numeric) AS cache_write_tokens,
            COALESCE(sum(o.reasoning_tokens), 0::numeric) AS reasoning_tokens,
            COALESCE(sum(o.charged_tokens), 0::numeric) AS charged_tokens,
            COALESCE(sum(o.usd), 0::numeric) AS usd,
            COALESCE(sum(o.ms), 0::numeric) AS ms,
            COALESCE(sum(o.uncertain_tokens), 0::numeric) AS uncertain_tokens,
            COALESCE(sum(o.uncertain_iterations), 0::numeric) AS uncertain_iterations,
            COALESCE(sum(o.uncertain_usd), 0::numeric) AS uncertain_usd,
            COALESCE(sum(o.tokens_unknown), 0::numeric) AS tokens_unknown,
            COALESCE(sum(o.usd_unknown), 0::numeric) AS usd_unknown,
            COALESCE(sum(o.usd_seals), 0::numeric) AS usd_seals
           FROM ( VALUES ('driver_inference'::text,1), ('child_work'::text,2), ('total'::text,3)) v(source, place)
             LEFT JOIN own o ON o.source = v.source OR v.source = 'total'::text
          GROUP BY v.source, v.place) s;
alter view ledger.spent_breakdown owner to ledger_owner;
comment on view ledger.spent_breakdown is 'Three rows per run: driver_inference, child_work, total.';
grant select on ledger.spent_breakdown to ledger_admin;
grant select on ledger.spent_breakdown to ledger_auditor;
grant select on ledger.spent_breakdown to ledger_writer;

create view ledger.tool_calls with (security_invoker=true) as
 SELECT p.tenant_id,
    p.run_id,
    p.pool_id,
    c.node_id,
    c.seq,
    c."position",
    c.tool,
    c.call_id,
    c.arguments,
    c.status,
    c.purpose,
    c.model,
    c.effective_at
   FROM ledger_private.pools p
     CROSS JOIN LATERAL ( SELECT t.node_id,
            t.seq,
            t."position",
            t.tool,
            t.call_id,
            t.arguments,
            t.purpose,
            t.model,
            t.effective_at,
            t.is_result,
                CASE
                    WHEN t.call_id IS NULL THEN t.stated
                    ELSE first_value(t.stated) OVER (PARTITION BY t.call_id ORDER BY (t.stated IS NULL), t.seq, t.is_result, t."position")
                END AS status,
            row_number() OVER (PARTITION BY t.call_id, t.is_result ORDER BY t.seq, t."position") AS sighting
           FROM ( SELECT j.node_id,
                    j.seq,
                    e."position",
                    e.tool,
                    e.call_id,
                    e.arguments,
                    e.stated,
                    e.is_result,
                    j.purpose,
                    j.model,
                    j.effective_at
                   FROM ledger_private.history j
                     CROSS JOIN LATERAL ( SELECT (c_1.n - 1)::integer AS "position",
                            COALESCE(c_1.call ->> 'name'::text, c_1.call #>> '{}'::text[]) AS tool,
                            c_1.call ->> 'id'::text AS call_id,
                            c_1.call ->> 'arguments'::text AS arguments,
                            c_1.call ->> 'status'::text AS stated,
                            false AS is_result
                           FROM jsonb_array_elements(
                                CASE jsonb_typeof(j.tool_calls)
                                    WHEN 'array'::text THEN j.tool_calls
                                    ELSE NULL::jsonb
                                END) WITH ORDINALITY c_1(call, n)
                        UNION ALL
                         SELECT (r.n - 1)::integer AS int4,
                            NULL::text,
                            r.result ->> 'id'::text,
                            NULL::text,
                            r.result ->> 'status'::text,
                            true
                           FROM jsonb_array_elements(
                                CASE jsonb_typeof(j.detail -> 'tool_results'::text)
                                    WHEN 'array'::text THEN j.detail -> 'tool_results'::text
                                    ELSE NULL::jsonb
                                END) WITH ORDINALITY r(result, n)
                          WHERE jsonb_typeof(r.result -> 'id'::text) = 'string'::text AND ((r.result -> 'status'::text) = ANY (ARRAY['"ok"'::jsonb, '"error"'::jsonb]))) e
                  WHERE j.tenant_id = p.tenant_id AND j.pool_id = p.pool_id AND j.source_pool_id IS NULL AND (j.tool_calls IS NOT NULL OR j.detail IS NOT NULL)) t
         OFFSET 0) c
  WHERE NOT c.is_result AND (c.call_id IS NULL OR c.sighting = 1);
alter view ledger.tool_calls owner to ledger_owner;
comment on view ledger.tool_calls is 'Tools that models called, one row per call: digest of its arguments, and what became of it.';
grant select on ledger.tool_calls to ledger_admin;
grant select on ledger.tool_calls to ledger_auditor;
grant select on ledger.tool_calls to ledger_writer;

create view ledger.tool_findings with (security_invoker=true) as
 SELECT p.tenant_id,
    p.run_id,
    p.pool_id,
    f.detector,
    f.tool,
    f.arguments,
    f.streak,
    f.first_seq,
    f.seq,
    f."position",
    f.effective_at
   FROM ledger_private.pools p
     CROSS JOIN LATERAL ( WITH calls AS MATERIALIZED (
                 SELECT c.seq,
                    c."position",
                    c.tool,
                    c.arguments,
                    c.status,
                    c.effective_at
                   FROM ledger.tool_calls c
                  WHERE c.tenant_id = p.tenant_id AND c.pool_id = p.pool_id
                ), actions AS (
                 SELECT a.seq,
                    a."position",
                    a.tool,
                    a.arguments,
                    a.status,
                    a.effective_at,
                    a.differs,
                    count(*) FILTER (WHERE a.differs) OVER (ORDER BY a.seq, a."position") AS streak_no
                   FROM ( SELECT c.seq,
                            c."position",
                            c.tool,
                            c.arguments,
                            c.status,
                            c.effective_at,
                            (c.tool = lag(c.tool) OVER w AND c.arguments = lag(c.arguments) OVER w) IS NOT TRUE AS differs
                           FROM calls c
                          WINDOW w AS (ORDER BY c.seq, c."position")) a
                ), errors AS (
                 SELECT e.seq,
                    e."position",
                    e.tool,
                    e.arguments,
                    e.status,
                    e.effective_at,
                    e.streak_no
                   FROM ( SELECT c.seq,
                            c."position",
                            c.tool,
                            c.arguments,
                            c.status,
                            c.effective_at,
                            count(*) FILTER (WHERE c.status = 'ok'::text) OVER (ORDER BY c.seq, c."position") AS streak_no
                           FROM calls c
                          WHERE c.status IS NOT NULL) e
                  WHERE e.status = 'error'::text
                ), streaks AS (
                 SELECT 'repeated-action'::text AS detector,
                    a.tool,
                    a.arguments,
                    row_number() OVER w AS streak,
                    first_value(a.seq) OVER w AS first_seq,
                    a.seq,
                    a."position",
                    a.effective_at
                   FROM actions a
                  WINDOW w AS (PARTITION BY a.streak_no ORDER BY a.seq, a."position")
                UNION ALL
                 SELECT 'error-streak'::text,
                        CASE
                            WHEN min(e.tool) OVER w = max(e.tool) OVER w THEN e.tool
                            ELSE NULL::text
                        END AS "case",
                    NULL::text,
                    row_number() OVER w AS row_number,
                    first_value(e.seq) OVER w AS first_value,
                    e.seq,
                    e."position",
                    e.effective_at
                   FROM errors e
                  WINDOW w AS (PARTITION BY e.streak_no ORDER BY e.seq, e."position")
                )
         SELECT s.detector,
            s.tool,
            s.arguments,
            s.streak,
            s.first_seq,
            s.seq,
            s."position",
            s.effective_at
           FROM streaks s
          WHERE (s.streak % 3::bigint) = 0 AND ((s.streak / 3) & (s.streak / 3 - 1)) = 0
         OFFSET 0) f;
alter view ledger.tool_findings owner to ledger_owner;
comment on view ledger.tool_findings is 'Tool calls that repeat themselves or fail in a row: at a streak of 3 and at each doubling.';
grant select on ledger.tool_findings to ledger_admin;
grant select on ledger.tool_findings to ledger_auditor;
grant select on ledger.tool_findings to ledger_writer;

create view ledger.trajectory with (security_invoker=true) as
 SELECT r.tenant_id,
    r.run_id,
    x.node_id,
    x.parent_node_id,
    x.depth,
    x.path,
    x.label,
    x.runtime,
    x.status,
    x.own_iterations,
    x.own_input_tokens,
    x.own_output_tokens,
    x.own_cache_read_tokens,
    x.own_cache_write_tokens,
    x.own_reasoning_tokens,
    x.own_charged_tokens,
    x.own_usd,
    x.own_ms,
    x.own_uncertain_tokens,
    x.own_uncertain_iterations,
    x.own_uncertain_usd,
    x.rolled_up_iterations,
    x.rolled_up_input_tokens,
    x.rolled_up_output_tokens,
    x.rolled_up_cache_read_tokens,
    x.rolled_up_cache_write_tokens,
    x.rolled_up_reasoning_tokens,
    x.rolled_up_charged_tokens,
    x.rolled_up_usd,
    x.rolled_up_ms,
    x.rolled_up_uncertain_tokens,
    x.rolled_up_uncertain_iterations,
    x.rolled_up_uncertain_usd,
    x.rolled_up_tokens_known,
    x.rolled_up_usd_known
   FROM ledger_private.runs r
     CROSS JOIN LATERAL ( WITH RECURSIVE drivers AS (
                 SELECT r.run_id AS pool_id,
                    0 AS depth,
                    '\x'::bytea AS key
                UNION ALL
                 SELECT c.pool_id,
                    d.depth + 1,
                        CASE
                            WHEN c.siblings = 1 THEN d.key
                            WHEN c.place < 128 THEN d.key || SUBSTRING(int4send(c.place::integer) FROM 4)
                            ELSE d.key || int4send((c.place - '2147483648'::bigint)::integer)
                        END AS "case"
                   FROM drivers d
                     CROSS JOIN LATERAL ( SELECT p.pool_id,
                            row_number() OVER () AS place,
                            count(*) OVER () AS siblings
                           FROM ledger_private.pools p
                          WHERE p.tenant_id = r.tenant_id AND p.parent_pool_id = d.pool_id) c
                ), spent AS (
                 SELECT d.key,
                    d.depth,
                    d.pool_id,
                    s.whole,
                    s.node_id,
                    s.iterations,
                    s.input_tokens,
                    s.output_tokens,
                    s.cache_read_tokens,
                    s.cache_write_tokens,
                    s.reasoning_tokens,
                    s.charged_tokens,
                    s.usd,
                    s.ms,
                    s.uncertain_tokens,
                    s.uncertain_iterations,
                    s.uncertain_usd,
                    s.tokens_unknown,
                    s.usd_unknown
                   FROM drivers d
                     CROSS JOIN LATERAL ( WITH by_node AS MATERIALIZED (
                                 SELECT j.node_id,
                                    COALESCE(sum(j.iterations), 0::numeric) AS iterations,
                                    COALESCE(sum(j.input_tokens), 0::numeric) AS input_tokens,
                                    COALESCE(sum(j.output_tokens), 0::numeric) AS output_tokens,
                                    COALESCE(sum(j.cache_read_tokens), 0::numeric) AS cache_read_tokens,
                                    COALESCE(sum(j.cache_write_tokens), 0::numeric) AS cache_write_tokens,
                                    COALESCE(sum(j.reasoning_tokens), 0::numeric) AS reasoning_tokens,
                                    COALESCE(sum(j.charged_tokens), 0::numeric) AS charged_tokens,
                                    COALESCE(sum(j.usd), 0::numeric) AS usd,
                                    COALESCE(sum(j.ms), 0::numeric) AS ms,
                                    COALESCE(sum(j.uncertain_tokens), 0::numeric) AS uncertain_tokens,
                                    COALESCE(sum(j.uncertain_iterations), 0::numeric) AS uncertain_iterations,
                                    COALESCE(sum(j.uncertain_usd), 0::numeric) AS uncertain_usd,
                                    COALESCE(sum(j.tokens_unknown), 0::bigint) AS tokens_unknown,
                                    COALESCE(sum(j.usd_unknown), 0::bigint) AS usd_unknown
                                   FROM ledger_private.history j
                                  WHERE j.tenant_id = r.tenant_id AND j.pool_id = d.pool_id AND j.source_pool_id IS NULL AND (j.kind = ANY (ARRAY['metered'::text, 'settled'::text, 'cancelled'::text, 'expired'::text, 'corrected'::text]))
                                  GROUP BY j.node_id
                                )
                         SELECT false AS whole,
                            b.node_id,
                            b.iterations,
                            b.input_tokens,
                            b.output_tokens,
                            b.cache_read_tokens,
                            b.cache_write_tokens,
                            b.reasoning_tokens,
                            b.charged_tokens,
                            b.usd,
                            b.ms,
                            b.uncertain_tokens,
                            b.uncertain_iterations,
                            b.uncertain_usd,
                            b.tokens_unknown,
                            b.usd_unknown
                           FROM by_node b
                        UNION ALL
                         SELECT true,
                            NULL::text,
                            sum(b.iterations) AS sum,
                            sum(b.input_tokens) AS sum,
                            sum(b.output_tokens) AS sum,
                            sum(b.cache_read_tokens) AS sum,
                            sum(b.cache_write_tokens) AS sum,
                            sum(b.reasoning_tokens) AS sum,
                            sum(b.charged_tokens) AS sum,
                            sum(b.usd) AS sum,
                            sum(b.ms) AS sum,
                            sum(b.uncertain_tokens) AS sum,
                            sum(b.uncertain_iterations) AS sum,
                            sum(b.uncertain_usd) AS sum,
                            sum(b.tokens_unknown) AS sum,
                            sum(b.usd_unknown) AS sum
                           FROM by_node b) s
                ), edges AS (
                 SELECT s.key,
                    s.depth,
                    s.pool_id,
                    s.whole,
                    s.node_id,
                    s.iterations,
                    s.input_tokens,
                    s.output_tokens,
                    s.cache_read_tokens,
                    s.cache_write_tokens,
                    s.reasoning_tokens,
                    s.charged_tokens,
                    s.usd,
                    s.ms,
                    s.uncertain_tokens,
                    s.uncertain_iterations,
                    s.uncertain_usd,
                    s.tokens_unknown,
                    s.usd_unknown,
                    true AS closing,
                    s.key || '\xff'::bytea AS at,
                    - s.depth AS place
                   FROM spent s
                  WHERE s.whole
                UNION ALL
                 SELECT s.key,
                    s.depth,
                    s.pool_id,
                    true,
                    NULL::text,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    false,
                    s.key,
                    s.depth
                   FROM spent s
                  WHERE s.whole
                ), running AS (
                 SELECT e.pool_id,
                    e.closing,
                    sum(e.iterations) OVER in_tree_order AS iterations,
                    sum(e.input_tokens) OVER in_tree_order AS input_tokens,
                    sum(e.output_tokens) OVER in_tree_order AS output_tokens,
                    sum(e.cache_read_tokens) OVER in_tree_order AS cache_read_tokens,
                    sum(e.cache_write_tokens) OVER in_tree_order AS cache_write_tokens,
                    sum(e.reasoning_tokens) OVER in_tree_order AS reasoning_tokens,
                    sum(e.charged_tokens) OVER in_tree_order AS charged_tokens,
                    sum(e.usd) OVER in_tree_order AS usd,
                    sum(e.ms) OVER in_tree_order AS ms,
                    sum(e.uncertain_tokens) OVER in_tree_order AS uncertain_tokens,
                    sum(e.uncertain_iterations) OVER in_tree_order AS uncertain_iterations,
                    sum(e.uncertain_usd) OVER in_tree_order AS uncertain_usd,
                    sum(e.tokens_unknown) OVER in_tree_order AS tokens_unknown,
                    sum(e.usd_unknown) OVER in_tree_order AS usd_unknown
                   FROM edges e
                  WINDOW in_tree_order AS (ORDER BY e.at, e.place ROWS UNBOUNDED PRECEDING)
                ), rolled AS (
                 SELECT c.pool_id,
                    c.iterations - o_1.iterations AS iterations,
                    c.input_tokens - o_1.input_tokens AS input_tokens,
                    c.output_tokens - o_1.output_tokens AS output_tokens,
                    c.cache_read_tokens - o_1.cache_read_tokens AS cache_read_tokens,
                    c.cache_write_tokens - o_1.cache_write_tokens AS cache_write_tokens,
                    c.reasoning_tokens - o_1.reasoning_tokens AS reasoning_tokens,
                    c.charged_tokens - o_1.charged_tokens AS charged_tokens,
                    c.usd - o_1.usd AS usd,
                    c.ms - o_1.ms AS ms,
                    c.uncertain_tokens - o_1.uncertain_tokens AS uncertain_tokens,
                    c.uncertain_iterations - o_1.uncertain_iterations AS uncertain_iterations,
                    c.uncertain_usd - o_1.uncertain_usd AS uncertain_usd,
                    c.tokens_unknown - o_1.tokens_unknown AS tokens_unknown,
                    c.usd_unknown - o_1.usd_unknown AS usd_unknown
                   FROM running c
                     JOIN running o_1 ON o_1.pool_id = c.pool_id AND NOT o_1.closing
                  WHERE c.closing
                ), paths AS (
                 SELECT r.run_id AS pool_id,
                    ARRAY[r.run_id] AS path
                UNION ALL
                 SELECT c.pool_id,
                    p.path || ARRAY[c.pool_id]
                   FROM paths p
                     CROSS JOIN LATERAL ( SELECT c_1.pool_id
                           FROM ledger_private.pools c_1
                          WHERE c_1.tenant_id = r.tenant_id AND c_1.parent_pool_id = p.pool_id
                         OFFSET 0) c
                ), members AS (
                 SELECT n.node_id,
                    n.parent_node_id,
                    0 AS depth,
                    n.label,
                    n.runtime,
                    n.status
                   FROM ledger_private.nodes n
                  WHERE n.tenant_id = r.tenant_id AND n.node_id = r.run_id
                UNION ALL
                 SELECT n.node_id,
                    n.parent_node_id,
                    d.depth + 1,
                    n.label,
                    n.runtime,
                    n.status
                   FROM drivers d
                     CROSS JOIN LATERAL ( SELECT n_1.tenant_id,
                            n_1.node_id,
                            n_1.parent_node_id,
                            n_1.run_id,
                            n_1.driver,
                            n_1.label,
                            n_1.runtime,
                            n_1.key,
                            n_1.superseded,
                            n_1.budget,
                            n_1.hold,
                            n_1.tags,
                            n_1.status,
                            n_1.lease_at,
                            n_1.cursor,
                            n_1.terminal_seq,
                            n_1.late,
                            n_1.verdict,
                            n_1.out_ref,
                            n_1.reason,
                            n_1.infra,
                            n_1.spawned_at,
                            n_1.dispatched_at,
                            n_1.ended_at,
                            n_1.task_ref
                           FROM ledger_private.nodes n_1
                          WHERE n_1.tenant_id = r.tenant_id AND n_1.parent_node_id = d.pool_id
                         OFFSET 0) n
                )
         SELECT m.node_id,
            m.parent_node_id,
            m.depth,
            COALESCE(a.path, '{}'::text[]) || ARRAY[m.node_id] AS path,
            m.label,
            m.runtime,
            m.status,
            COALESCE(o.iterations, 0::numeric) AS own_iterations,
            COALESCE(o.input_tokens, 0::numeric) AS own_input_tokens,
            COALESCE(o.output_tokens, 0::numeric) AS own_output_tokens,
            COALESCE(o.cache_read_tokens, 0::numeric) AS own_cache_read_tokens,
            COALESCE(o.cache_write_tokens, 0::numeric) AS own_cache_write_tokens,
            COALESCE(o.reasoning_tokens, 0::numeric) AS own_reasoning_tokens,
            COALESCE(o.charged_tokens, 0::numeric) AS own_charged_tokens,
            COALESCE(trim_scale(o.usd), 0::numeric) AS own_usd,
            COALESCE(o.ms, 0::numeric) AS own_ms,
            COALESCE(o.uncertain_tokens, 0::numeric) AS own_uncertain_tokens,
            COALESCE(o.uncertain_iterations, 0::numeric) AS own_uncertain_iterations,
            COALESCE(trim_scale(o.uncertain_usd), 0::numeric) AS own_uncertain_usd,
            COALESCE(w.iterations, o.iterations, 0::numeric) AS rolled_up_iterations,
            COALESCE(w.input_tokens, o.input_tokens, 0::numeric) AS rolled_up_input_tokens,
            COALESCE(w.output_tokens, o.output_tokens, 0::numeric) AS rolled_up_output_tokens,
            COALESCE(w.cache_read_tokens, o.cache_read_tokens, 0::numeric) AS rolled_up_cache_read_tokens,
            COALESCE(w.cache_write_tokens, o.cache_write_tokens, 0::numeric) AS rolled_up_cache_write_tokens,
            COALESCE(w.reasoning_tokens, o.reasoning_tokens, 0::numeric) AS rolled_up_reasoning_tokens,
            COALESCE(w.charged_tokens, o.charged_tokens, 0::numeric) AS rolled_up_charged_tokens,
            COALESCE(trim_scale(COALESCE(w.usd, o.usd)), 0::numeric) AS rolled_up_usd,
            COALESCE(w.ms, o.ms, 0::numeric) AS rolled_up_ms,
            COALESCE(w.uncertain_tokens, o.uncertain_tokens, 0::numeric) AS rolled_up_uncertain_tokens,
            COALESCE(w.uncertain_iterations, o.uncertain_iterations, 0::numeric) AS rolled_up_uncertain_iterations,
            COALESCE(trim_scale(COALESCE(w.uncertain_usd, o.uncertain_usd)), 0::numeric) AS rolled_up_uncertain_usd,
            COALESCE(w.tokens_unknown, o.tokens_unknown, 0::numeric) = 0::numeric AS rolled_up_tokens_known,
            COALESCE(w.usd_unknown, o.usd_unknown, 0::numeric) = 0::numeric AS rolled_up_usd_known
           FROM members m
             LEFT JOIN spent o ON o.node_id = m.node_id AND NOT o.whole
             LEFT JOIN rolled w ON w.pool_id = m.node_id
             LEFT JOIN ( SELECT p.pool_id,
                    max(p.path) AS path
                   FROM paths p
                  GROUP BY p.pool_id) a ON a.pool_id = m.parent_node_id
         OFFSET 0) x;
alter view ledger.trajectory owner to ledger_owner;
comment on view ledger.trajectory is 'The tree of each run with own and rolled-up spend.';
grant select on ledger.trajectory to ledger_admin;
grant select on ledger.trajectory to ledger_auditor;
grant select on ledger.trajectory to ledger_writer;

create view ledger.usage_by_tool with (security_invoker=true) as
 SELECT p.tenant_id,
    p.run_id,
    t.tool,
    sum(t.calls)::bigint AS calls,
    count(*) AS events,
    sum(t.charged_tokens) AS charged_tokens,
    trim_scale(sum(t.usd)) AS usd,
    bool_and(t.tokens_known) AS tokens_known,
    bool_and(t.usd_known) AS usd_known,
    min(t.effective_at) AS first_at,
    max(t.effective_at) AS last_at
   FROM ledger_private.pools p
     CROSS JOIN LATERAL ( SELECT c.tool,
            c.calls,
            u.charged_tokens,
            u.usd,
            u.tokens_known,
            u.usd_known,
            u.effective_at
           FROM ( SELECT n.seq,
                    n.tool,
                    count(*) AS calls
                   FROM ( SELECT COALESCE(j.corrects_seq, j.seq) AS seq,
                            COALESCE(c_1.call ->> 'name'::text, c_1.call #>> '{}'::text[]) AS tool,
                            c_1.call ->> 'id'::text AS call_id,
                            row_number() OVER (PARTITION BY (c_1.call ->> 'id'::text) ORDER BY j.seq, c_1.n) AS sighting
                           FROM ledger_private.history j
                             CROSS JOIN LATERAL jsonb_array_elements(
                                CASE jsonb_typeof(j.tool_calls)
                                    WHEN 'array'::text THEN j.tool_calls
                                    ELSE NULL::jsonb
                                END) WITH ORDINALITY c_1(call, n)
                          WHERE j.tenant_id = p.tenant_id AND j.pool_id = p.pool_id AND j.source_pool_id IS NULL AND j.tool_calls IS NOT NULL) n
                  WHERE n.call_id IS NULL OR n.sighting = 1
                  GROUP BY n.seq, n.tool) c
             CROSS JOIN LATERAL ( SELECT COALESCE(e.charged_tokens, 0::numeric) + COALESCE(k.charged_tokens, 0::numeric) AS charged_tokens,
                        CASE
                            WHEN e.usd IS NOT NULL OR k.usd IS NOT NULL THEN COALESCE(e.usd, 0::numeric) + COALESCE(k.usd, 0::numeric)
                            ELSE NULL::numeric
                        END AS usd,
                    COALESCE(k.tokens_known, e.tokens_known, true) AS tokens_known,
                    COALESCE(k.usd_known, e.usd_known, true) AS usd_known,
                    e.effective_at
                   FROM ledger_private.history e
                     CROSS JOIN LATERAL ( SELECT sum(x.charged_tokens) AS charged_tokens,
                            sum(x.usd) AS usd,
                            (array_agg(x.tokens_known ORDER BY x.seq DESC))[1] AS tokens_known,
                            (array_agg(x.usd_known ORDER BY x.seq DESC))[1] AS usd_known
                           FROM ledger_private.history x
                          WHERE x.tenant_id = p.tenant_id AND x.pool_id = p.pool_id AND x.corrects_seq = c.seq) k
                  WHERE e.tenant_id = p.tenant_id AND e.pool_id = p.pool_id AND e.seq = c.seq
                 OFFSET 0) u
         OFFSET 0) t
  GROUP BY p.tenant_id, p.run_id, t.tool;
alter view ledger.usage_by_tool owner to ledger_owner;
comment on view ledger.usage_by_tool is 'Usage of the turns in which a tool was called; a turn with several tools counts in each.';
grant select on ledger.usage_by_tool to ledger_admin;
grant select on ledger.usage_by_tool to ledger_auditor;
grant select on ledger.usage_by_tool to ledger_writer;

create view ledger.usage_daily with (security_invoker=true) as
 SELECT u.tenant_id,
    (u.effective_at AT TIME ZONE 'UTC'::text)::date AS day,
    u.provider,
    u.model,
    u.purpose,
    u.tags,
    count(*) FILTER (WHERE u.kind <> 'corrected'::text AND (u.line IS NOT NULL OR f.line IS NULL)) AS lines,
    sum(u.iterations) AS iterations,
    sum(u.input_tokens) AS input_tokens,
    sum(u.output_tokens) AS output_tokens,
    sum(u.cache_read_tokens) AS cache_read_tokens,
    sum(u.cache_write_tokens) AS cache_write_tokens,
    sum(u.reasoning_tokens) AS reasoning_tokens,
    sum(u.charged_tokens) AS charged_tokens,
    trim_scale(sum(u.usd)) AS usd,
    sum(u.ms) AS ms,
    sum(u.uncertain_tokens) AS uncertain_tokens,
    sum(u.uncertain_iterations) AS uncertain_iterations,
    trim_scale(sum(u.uncertain_usd)) AS uncertain_usd,
    bool_and(COALESCE(c.tokens_known, u.tokens_known)) AS tokens_known,
    bool_and(COALESCE(c.usd_known, u.usd_known)) AS usd_known,
    trim_scale(COALESCE(sum(u.usd), 0::numeric) - sum(u.uncertain_usd)) AS receipt_usd,
    trim_scale(sum(u.uncertain_usd)) AS estimated_usd,
    count(DISTINCT ROW(u.pool_id, u.seq)) FILTER (WHERE u.kind <> 'corrected'::text AND (COALESCE(j.usd_seals, 0) + COALESCE(c.usd_seals, 0::bigint)) > 0 AND (j.usd_known OR NOT u.usd_known)) AS unknown_usd_events
   FROM ledger.usage_lines u
     CROSS JOIN LATERAL ( SELECT k.seq,
            k.corrects_seq,
            k.usd_seals,
            k.usd_known
           FROM ledger_private.history k
          WHERE k.tenant_id = u.tenant_id AND k.pool_id = u.pool_id AND k.seq = u.seq
         OFFSET 0) j
     LEFT JOIN LATERAL ( SELECT l.line
           FROM ledger_private.usage_history l
          WHERE l.tenant_id = u.tenant_id AND l.pool_id = u.pool_id AND l.seq = u.seq AND l.line = 0 AND u.line IS NULL
         OFFSET 0) f ON true
     CROSS JOIN LATERAL ( SELECT (array_agg(k.tokens_known ORDER BY k.seq DESC))[1] AS tokens_known,
            (array_agg(k.usd_known ORDER BY k.seq DESC))[1] AS usd_known,
            sum(k.usd_seals) AS usd_seals
           FROM ledger_private.history k
          WHERE k.tenant_id = u.tenant_id AND k.pool_id = u.pool_id AND k.corrects_seq = COALESCE(j.corrects_seq, j.seq)) c
  GROUP BY u.tenant_id, ((u.effective_at AT TIME ZONE 'UTC'::text)::date), u.provider, u.model, u.purpose, u.tags;
alter view ledger.usage_daily owner to ledger_owner;
comment on view ledger.usage_daily is 'Usage per day, provider, model, purpose and tags.';
grant select on ledger.usage_daily to ledger_admin;
grant select on ledger.usage_daily to ledger_auditor;
grant select on ledger.usage_daily to ledger_writer;

create view ledger.usage_lines with (security_invoker=true) as
 SELECT l.tenant_id,
    l.pool_id,
    l.seq,
    l.line,
    j.run_id,
    j.node_id,
    j.kind,
    j.operation_id,
    l.provider,
    l.model,
    l.provider_request_id,
    j.purpose,
    j.tags,
    l.iterations,
    l.input_tokens,
    l.output_tokens,
    l.cache_read_tokens,
    l.cache_write_tokens,
    l.reasoning_tokens,
    l.charged_tokens,
    trim_scale(l.usd) AS usd,
    l.ms,
    0::numeric AS uncertain_tokens,
    0::numeric AS uncertain_iterations,
    trim_scale(l.uncertain_usd) AS uncertain_usd,
    l.tokens_known,
    l.usd_known,
    l.resources,
    j.effective_at,
    j.recorded_at,
    l.cache_write_1h_tokens
   FROM ledger_private.usage_history l
     CROSS JOIN LATERAL ( SELECT k.run_id,
            k.node_id,
            k.kind,
            k.operation_id,
            k.purpose,
            k.tags,
            k.effective_at,
            k.recorded_at
           FROM ledger_private.history k
          WHERE k.tenant_id = l.tenant_id AND k.pool_id = l.pool_id AND k.seq = l.seq
         OFFSET 0) j
UNION ALL
 SELECT j.tenant_id,
    j.pool_id,
    j.seq,
    NULL::integer AS line,
    j.run_id,
    j.node_id,
    j.kind,
    j.operation_id,
    COALESCE(j.provider, s.provider) AS provider,
    COALESCE(j.model, s.model) AS model,
    COALESCE(j.provider_request_id, s.provider_request_id) AS provider_request_id,
    COALESCE(j.purpose, s.purpose) AS purpose,
    j.tags,
    COALESCE(j.iterations, 0::numeric) - l.iterations AS iterations,
    COALESCE(j.input_tokens, 0::numeric) - l.input_tokens AS input_tokens,
    COALESCE(j.output_tokens, 0::numeric) - l.output_tokens AS output_tokens,
    COALESCE(j.cache_read_tokens, 0::numeric) - l.cache_read_tokens AS cache_read_tokens,
    COALESCE(j.cache_write_tokens, 0::numeric) - l.cache_write_tokens AS cache_write_tokens,
    COALESCE(j.reasoning_tokens, 0::numeric) - l.reasoning_tokens AS reasoning_tokens,
    COALESCE(j.charged_tokens, 0::numeric) - l.charged_tokens AS charged_tokens,
    trim_scale(
        CASE
            WHEN l.lines = 0 THEN j.usd
            ELSE COALESCE(j.usd, 0::numeric) - l.usd
        END) AS usd,
    COALESCE(j.ms, 0::numeric) - l.ms AS ms,
    COALESCE(j.uncertain_tokens, 0::numeric) AS uncertain_tokens,
    COALESCE(j.uncertain_iterations, 0::numeric) AS uncertain_iterations,
    trim_scale(COALESCE(j.uncertain_usd, 0::numeric) - l.uncertain_usd) AS uncertain_usd,
    j.tokens_known,
    j.usd_known,
    r.resources,
    j.effective_at,
    j.recorded_at,
    COALESCE(j.cache_write_1h_tokens, 0::numeric) - l.cache_write_1h_tokens AS cache_write_1h_tokens
   FROM ledger_private.history j
     CROSS JOIN LATERAL ( SELECT count(*) AS lines,
            COALESCE(sum(l_1.iterations), 0::numeric) AS iterations,
            COALESCE(sum(l_1.input_tokens), 0::numeric) AS input_tokens,
            COALESCE(sum(l_1.output_tokens), 0::numeric) AS output_tokens,
            COALESCE(sum(l_1.cache_read_tokens), 0::numeric) AS cache_read_tokens,
            COALESCE(sum(l_1.cache_write_tokens), 0::numeric) AS cache_write_tokens,
            COALESCE(sum(l_1.reasoning_tokens), 0::numeric) AS reasoning_tokens,
            COALESCE(sum(l_1.charged_tokens), 0::numeric) AS charged_tokens,
            COALESCE(sum(l_1.usd), 0::numeric) AS usd,
            COALESCE(sum(l_1.ms), 0::numeric) AS ms,
            COALESCE(sum(l_1.uncertain_usd), 0::numeric) AS uncertain_usd,
            COALESCE(sum(l_1.cache_write_1h_tokens), 0::numeric) AS cache_write_1h_tokens
           FROM ledger_private.usage_history l_1
          WHERE l_1.tenant_id = j.tenant_id AND l_1.pool_id = j.pool_id AND l_1.seq = j.seq) l
     CROSS JOIN LATERAL ( SELECT jsonb_object_agg(d.name, jsonb_build_object('amount', trim_scale(d.amount))) AS resources
           FROM ( SELECT a.name,
                    sum(a.amount) AS amount
                   FROM ( SELECT e.key AS name,
                            (e.value ->> 'amount'::text)::numeric AS amount
                           FROM jsonb_each(j.resources) e(key, value)
                        UNION ALL
                         SELECT e.key,
                            - ((e.value ->> 'amount'::text)::numeric)
                           FROM ledger_private.usage_history k
                             CROSS JOIN LATERAL jsonb_each(k.resources) e(key, value)
                          WHERE k.tenant_id = j.tenant_id AND k.pool_id = j.pool_id AND k.seq = j.seq) a
                  GROUP BY a.name) d
          WHERE d.amount <> 0::numeric) r
     LEFT JOIN LATERAL ( SELECT k.provider,
            k.model,
            k.provider_request_id,
            k.purpose
           FROM ledger_private.history k
          WHERE j.kind = 'expired'::text AND k.tenant_id = j.tenant_id AND k.pool_id = j.pool_id AND k.corrects_seq = j.seq AND k.outcome IS NOT NULL
         LIMIT 1) s ON true
  WHERE j.source_pool_id IS NULL AND (j.kind = ANY (ARRAY['metered'::text, 'settled'::text, 'cancelled'::text, 'expired'::text, 'corrected'::text])) AND (l.lines = 0 OR COALESCE(j.iterations, 0::numeric) IS DISTINCT FROM l.iterations OR COALESCE(j.input_tokens, 0::numeric) IS DISTINCT FROM l.input_tokens OR COALESCE(j.output_tokens, 0::numeric) IS DISTINCT FROM l.output_tokens OR COALESCE(j.charged_tokens, 0::numeric) IS DISTINCT FROM l.charged_tokens OR COALESCE(j.cache_read_tokens, 0::numeric) IS DISTINCT FROM l.cache_read_tokens OR COALESCE(j.cache_write_tokens, 0::numeric) IS DISTINCT FROM l.cache_write_tokens OR COALESCE(j.reasoning_tokens, 0::numeric) IS DISTINCT FROM l.reasoning_tokens OR COALESCE(j.usd, 0::numeric) IS DISTINCT FROM l.usd OR COALESCE(j.ms, 0::numeric) IS DISTINCT FROM l.ms OR COALESCE(j.uncertain_usd, 0::numeric) IS DISTINCT FROM l.uncertain_usd OR COALESCE(j.uncertain_tokens, 0::numeric) IS DISTINCT FROM 0::numeric OR COALESCE(j.uncertain_iterations, 0::numeric) IS DISTINCT FROM 0::numeric OR COALESCE(j.cache_write_1h_tokens, 0::numeric) IS DISTINCT FROM l.cache_write_1h_tokens OR r.resources IS NOT NULL);
alter view ledger.usage_lines owner to ledger_owner;
comment on view ledger.usage_lines is 'What prices and attribution read: one row per line, or per event without lines.';
grant select on ledger.usage_lines to ledger_admin;
grant select on ledger.usage_lines to ledger_auditor;
grant select on ledger.usage_lines to ledger_writer;

create view ledger_private.audit_archives with (security_invoker=true) as
 SELECT a.tenant_id,
    a.pool_id,
    'archive-differs-from-record'::text AS rule,
    jsonb_build_object('first_seq', a.first_seq, 'last_seq', a.last_seq, 'recorded', jsonb_build_object('events', a.events, 'lines', a.lines, 'sums', a.sums), 'archived', jsonb_build_object('events', e.events, 'lines', l.lines, 'sums', s.sums)) AS detail
   FROM ledger_private.archives a
     CROSS JOIN LATERAL ( SELECT count(*) AS events
           FROM ledger_private.journal_archive k
          WHERE k.tenant_id = a.tenant_id AND k.pool_id = a.pool_id AND k.seq >= a.first_seq AND k.seq <= a.last_seq) e
     CROSS JOIN LATERAL ( SELECT count(*) AS lines
           FROM ledger_private.usage_lines_archive k
          WHERE k.tenant_id = a.tenant_id AND k.pool_id = a.pool_id AND k.seq >= a.first_seq AND k.seq <= a.last_seq) l
     CROSS JOIN LATERAL ( SELECT jsonb_object_agg(c.channel, c.sums) AS sums
           FROM ( SELECT m.channel,
                    jsonb_build_object('funded', trim_scale(COALESCE(sum(m.funded), 0::numeric)), 'held', trim_scale(COALESCE(sum(m.held), 0::numeric)), 'spent', trim_scale(COALESCE(sum(m.spent), 0::numeric)), 'uncertain', trim_scale(COALESCE(sum(m.uncertain), 0::numeric)), 'unknown', COALESCE(sum(m.unknown), 0::bigint), 'seals', COALESCE(sum(m.seals), 0::bigint), 'remainder', trim_scale(COALESCE(sum(m.remainder), 0::numeric))) AS sums
                   FROM ledger_private.moves m
                  WHERE m.tenant_id = a.tenant_id AND m.pool_id = a.pool_id AND m.seq >= a.first_seq AND m.seq <= a.last_seq
                  GROUP BY m.channel) c) s
  WHERE a.events IS DISTINCT FROM e.events OR a.lines IS DISTINCT FROM l.lines OR a.sums IS DISTINCT FROM s.sums;
alter view ledger_private.audit_archives owner to ledger_owner;
comment on view ledger_private.audit_archives is 'What is recorded of archived stretches is what the archive holds.';
grant select on ledger_private.audit_archives to ledger_admin;
grant select on ledger_private.audit_archives to ledger_auditor;
grant select on ledger_private.audit_archives to ledger_writer;

create view ledger_private.audit_balances with (security_invoker=true) as
 SELECT tenant_id,
    pool_id,
    'balance-differs-from-journal'::text AS rule,
    jsonb_build_object('channel', channel, 'balance', balance, 'journal', journal) AS detail
   FROM ( SELECT c.tenant_id,
            c.pool_id,
            c.channel,
            jsonb_build_object('total', trim_scale(COALESCE(c.total, 0::numeric)), 'reserved', trim_scale(c.reserved), 'committed', trim_scale(c.committed), 'uncertain', trim_scale(c.uncertain), 'unknown', c.unknown, 'seals', c.seals, 'remainder', trim_scale(c.remainder)) AS balance,
            jsonb_build_object('total', trim_scale(COALESCE(s.funded, 0::numeric)), 'reserved', trim_scale(COALESCE(s.held, 0::numeric)), 'committed', trim_scale(COALESCE(s.spent, 0::numeric)), 'uncertain', trim_scale(COALESCE(s.uncertain, 0::numeric)), 'unknown', COALESCE(s.unknown, 0::bigint), 'seals',
                CASE
                    WHEN c.total IS NOT NULL AND p.unknown_usd = 'seal'::text THEN COALESCE(s.seals, 0::bigint)
                    ELSE 0::bigint
                END, 'remainder', trim_scale(COALESCE(s.remainder, 0::numeric))) AS journal
           FROM ledger_private.channels c
             JOIN ledger_private.pools p ON p.tenant_id = c.tenant_id AND p.pool_id = c.pool_id
             LEFT JOIN ( SELECT m.tenant_id,
                    m.pool_id,
                    m.channel,
                    sum(m.funded) AS funded,
                    sum(m.held) AS held,
                    sum(m.spent) AS spent,
                    sum(m.uncertain) AS uncertain,
                    sum(m.unknown) AS unknown,
                    sum(m.seals) AS seals,
                    sum(m.remainder) AS remainder
                   FROM ledger_private.moves m
                  GROUP BY m.tenant_id, m.pool_id, m.channel) s ON s.tenant_id = c.tenant_id AND s.pool_id = c.pool_id AND s.channel = c.channel) b
  WHERE balance <> journal;
alter view ledger_private.audit_balances owner to ledger_owner;
comment on view ledger_private.audit_balances is 'Invariants 1 to 3: every channel row is the sum of its postings.';
grant select on ledger_private.audit_balances to ledger_admin;
grant select on ledger_private.audit_balances to ledger_auditor;
grant select on ledger_private.audit_balances to ledger_writer;

create view ledger_private.audit_children with (security_invoker=true) as
 SELECT x.tenant_id,
    x.pool_id,
    'child-total-differs-from-parent'::text AS rule,
    jsonb_build_object('channel', x.channel, 'state', max(x.state), 'total', trim_scale(max(x.total)), 'hold', max(x.hold), 'committed_by_parent', trim_scale(COALESCE(sum(x.spent), 0::numeric))) AS detail
   FROM ( SELECT p.tenant_id,
            p.parent_pool_id,
            p.pool_id,
            c.channel,
            p.state,
            c.total,
            c.free,
            u.total IS NOT NULL AS capped_above,
            COALESCE((n.hold -> c.channel)::numeric, 0::numeric) AS hold,
            NULL::numeric AS spent
           FROM ledger_private.pools p
             CROSS JOIN LATERAL ( SELECT k.tenant_id,
                    k.pool_id,
                    k.channel,
                    k.unit,
                    k.total,
                    k.free,
                    k.reserved,
                    k.committed,
                    k.uncertain,
                    k.remainder,
                    k.unknown,
                    k.seals,
                    k.payer_pool_id
                   FROM ledger_private.channels k
                  WHERE k.tenant_id = p.tenant_id AND k.pool_id = p.pool_id AND k.total IS NOT NULL
                 OFFSET 0) c
             CROSS JOIN LATERAL ( SELECT k.total
                   FROM ledger_private.channels k
                  WHERE k.tenant_id = p.tenant_id AND k.pool_id = p.parent_pool_id AND k.channel = c.channel
                 LIMIT 1) u
             CROSS JOIN LATERAL ( SELECT k.hold
                   FROM ledger_private.nodes k
                  WHERE k.tenant_id = p.tenant_id AND k.node_id = p.pool_id
                 LIMIT 1) n
          WHERE p.parent_pool_id IS NOT NULL
        UNION ALL
         SELECT j.tenant_id,
            j.pool_id,
            j.node_id,
            m.channel,
            NULL::text,
            NULL::numeric,
            NULL::numeric,
            NULL::boolean,
            NULL::numeric,
            m.spent
           FROM ledger_private.history j
             CROSS JOIN LATERAL ( SELECT 'tokens'::text AS channel,
                    COALESCE(j.tokens_spent, 0::numeric) AS spent
                UNION ALL
                 SELECT 'iterations'::text,
                    COALESCE(j.iterations_spent, 0::numeric) AS "coalesce"
                UNION ALL
                 SELECT 'usd'::text,
                    COALESCE(j.usd_spent, 0::numeric) AS "coalesce"
                UNION ALL
                 SELECT r.key,
                    COALESCE((r.value -> 'spent'::text)::numeric, 0::numeric) AS "coalesce"
                   FROM jsonb_each(j.resource_moves) r(key, value)) m
          WHERE j.source_pool_id = j.node_id AND (j.kind = ANY (ARRAY['settled'::text, 'cancelled'::text, 'corrected'::text]))) x
  GROUP BY x.tenant_id, x.parent_pool_id, x.pool_id, x.channel
 HAVING
        CASE max(x.state)
            WHEN 'closed'::text THEN max(x.total) <> COALESCE(sum(x.spent), 0::numeric) OR max(x.free) <> 0::numeric
            ELSE bool_or(x.capped_above) AND max(x.total) <> max(x.hold)
        END
UNION ALL
 SELECT c.tenant_id,
    c.pool_id,
    'closed-pool-has-holds'::text AS rule,
    jsonb_build_object('channel', c.channel, 'reserved', trim_scale(c.reserved)) AS detail
   FROM ledger_private.pools p
     CROSS JOIN LATERAL ( SELECT k.tenant_id,
            k.pool_id,
            k.channel,
            k.unit,
            k.total,
            k.free,
            k.reserved,
            k.committed,
            k.uncertain,
            k.remainder,
            k.unknown,
            k.seals,
            k.payer_pool_id
           FROM ledger_private.channels k
          WHERE k.tenant_id = p.tenant_id AND k.pool_id = p.pool_id AND k.reserved <> 0::numeric
         OFFSET 0) c
  WHERE p.state = 'closed'::text;
alter view ledger_private.audit_children owner to ledger_owner;
comment on view ledger_private.audit_children is 'Invariant 7: the total of an open child pool is its hold in the parent, of a closed one what the parent committed for it.';
grant select on ledger_private.audit_children to ledger_admin;
grant select on ledger_private.audit_children to ledger_auditor;
grant select on ledger_private.audit_children to ledger_writer;

create view ledger_private.audit_draws with (security_invoker=true) as
 SELECT d.tenant_id,
    d.pool_id,
    'drawn-differs-from-source'::text AS rule,
    jsonb_build_object('source_pool_id', d.source_pool_id, 'source_seq', d.source_seq, 'channel', d.channel, 'drawn', sum(d.drawn), 'spent', sum(d.spent)) AS detail
   FROM ( SELECT j.tenant_id,
            c.payer_pool_id AS pool_id,
            j.pool_id AS source_pool_id,
            j.seq AS source_seq,
            m.channel,
            0 AS rows,
            0 AS drawn,
            m.spent
           FROM ledger_private.channels c
             CROSS JOIN LATERAL ( SELECT k.tenant_id,
                    k.pool_id,
                    k.seq,
                    k.recorded_at,
                    k.effective_at,
                    k.kind,
                    k.operation_id,
                    k.recorded_by,
                    k.run_id,
                    k.node_id,
                    k.source_pool_id,
                    k.source_seq,
                    k.corrects_seq,
                    k.provider,
                    k.model,
                    k.provider_request_id,
                    k.purpose,
                    k.turn,
                    k.tool_calls,
                    k.tags,
                    k.iterations,
                    k.input_tokens,
                    k.output_tokens,
                    k.cache_read_tokens,
                    k.cache_write_tokens,
                    k.reasoning_tokens,
                    k.charged_tokens,
                    k.usd,
                    k.ms,
                    k.uncertain_tokens,
                    k.uncertain_iterations,
                    k.uncertain_usd,
                    k.tokens_known,
                    k.usd_known,
                    k.resources,
                    k.verdict,
                    k.outcome,
                    k.out_ref,
                    k.reason,
                    k.infra,
                    k.detail,
                    k.tokens_funded,
                    k.tokens_held,
                    k.tokens_spent,
                    k.tokens_uncertain,
                    k.tokens_unknown,
                    k.iterations_funded,
                    k.iterations_held,
                    k.iterations_spent,
                    k.iterations_uncertain,
                    k.iterations_unknown,
                    k.usd_funded,
                    k.usd_held,
                    k.usd_spent,
                    k.usd_uncertain,
                    k.usd_unknown,
                    k.usd_seals,
                    k.usd_remainder,
                    k.resource_moves,
                    k.cache_write_1h_tokens
                   FROM ledger_private.history k
                  WHERE k.tenant_id = c.tenant_id AND k.pool_id = c.pool_id
                 OFFSET 0) j
             CROSS JOIN LATERAL ( SELECT 'usd'::text AS channel,
                    COALESCE(j.usd_spent, 0::numeric) AS spent
                UNION ALL
                 SELECT r.key,
                    COALESCE((r.value -> 'spent'::text)::numeric, 0::numeric) AS "coalesce"
                   FROM jsonb_each(j.resource_moves) r(key, value)) m
             LEFT JOIN LATERAL ( SELECT k.pool_id,
                    k.payer_pool_id
                   FROM ledger_private.channels k
                  WHERE k.tenant_id = c.tenant_id AND k.pool_id = j.source_pool_id AND k.channel = c.channel
                 LIMIT 1) b ON true
          WHERE c.payer_pool_id <> c.pool_id AND m.channel = c.channel AND (j.source_pool_id IS NULL OR b.payer_pool_id = b.pool_id)
        UNION ALL
         SELECT j.tenant_id,
            j.pool_id,
            j.source_pool_id,
            j.source_seq,
            m.channel,
            1,
            m.spent,
            0
           FROM ledger_private.history j
             CROSS JOIN LATERAL ( SELECT 'usd'::text AS channel,
                    COALESCE(j.usd_spent, 0::numeric) AS spent
                UNION ALL
                 SELECT r.key,
                    COALESCE((r.value -> 'spent'::text)::numeric, 0::numeric) AS "coalesce"
                   FROM jsonb_each(j.resource_moves) r(key, value)) m
          WHERE j.kind = 'drawn'::text) d
  GROUP BY d.tenant_id, d.pool_id, d.source_pool_id, d.source_seq, d.channel
 HAVING sum(d.drawn) <> sum(d.spent) OR sum(d.rows) > 1
UNION ALL
 SELECT p.tenant_id,
    p.pool_id,
    'payer-links-differ'::text AS rule,
    jsonb_build_object('pool', p.payers, 'channels', c.payers) AS detail
   FROM ledger_private.pools p
     CROSS JOIN LATERAL ( SELECT array_agg(DISTINCT c_1.payer_pool_id) FILTER (WHERE c_1.payer_pool_id <> c_1.pool_id) AS payers
           FROM ledger_private.channels c_1
          WHERE c_1.tenant_id = p.tenant_id AND c_1.pool_id = p.pool_id) c
  WHERE p.payers IS DISTINCT FROM c.payers
UNION ALL
 SELECT c.tenant_id,
    c.pool_id,
    'payer-caps-nothing'::text AS rule,
    jsonb_build_object('channel', c.channel, 'payer_pool_id', c.payer_pool_id) AS detail
   FROM ledger_private.channels c
     CROSS JOIN LATERAL ( SELECT k.total
           FROM ledger_private.channels k
          WHERE k.tenant_id = c.tenant_id AND k.pool_id = c.payer_pool_id AND k.channel = c.channel
         LIMIT 1) q
  WHERE q.total IS NULL;
alter view ledger_private.audit_draws owner to ledger_owner;
comment on view ledger_private.audit_draws is 'What a payer drew is what was spent below on its account, event by event.';
grant select on ledger_private.audit_draws to ledger_admin;
grant select on ledger_private.audit_draws to ledger_auditor;
grant select on ledger_private.audit_draws to ledger_writer;

create view ledger_private.audit_endings with (security_invoker=true) as
 SELECT n.tenant_id,
    n.parent_node_id AS pool_id,
    'ending-without-terminal-row'::text AS rule,
    jsonb_build_object('node_id', n.node_id, 'status', n.status, 'terminal_seq', n.terminal_seq) AS detail
   FROM ledger_private.nodes n
     LEFT JOIN LATERAL ( SELECT k.seq,
            k.node_id,
            k.kind
           FROM ledger_private.history k
          WHERE k.tenant_id = n.tenant_id AND k.pool_id = n.parent_node_id AND k.seq = n.terminal_seq
         LIMIT 1) j ON j.node_id = n.node_id AND (j.kind = ANY (ARRAY['settled'::text, 'cancelled'::text, 'expired'::text]))
  WHERE n.parent_node_id IS NOT NULL AND (n.ended_at IS NOT NULL) <> (j.seq IS NOT NULL)
UNION ALL
 SELECT j.tenant_id,
    j.pool_id,
    'journal-of-no-node'::text AS rule,
    jsonb_build_object('seq', j.seq, 'node_id', j.node_id) AS detail
   FROM ledger_private.history j
     LEFT JOIN LATERAL ( SELECT k.node_id
           FROM ledger_private.nodes k
          WHERE k.tenant_id = j.tenant_id AND k.node_id = j.node_id
         LIMIT 1) n ON true
  WHERE j.node_id IS NOT NULL AND n.node_id IS NULL
UNION ALL
 SELECT h.tenant_id,
    h.pool_id,
    'deliveries-miscounted'::text AS rule,
    jsonb_build_object('undelivered', h.undelivered, 'waiting', COALESCE(t.waiting, 0::bigint), 'next_cursor', h.next_cursor, 'delivered', COALESCE(t.delivered, 0::bigint)) AS detail
   FROM ledger_private.pool_heads h
     LEFT JOIN LATERAL ( SELECT count(*) FILTER (WHERE j.kind <> 'delivered'::text AND j.seq > h.delivered_seq) AS waiting,
            count(*) FILTER (WHERE j.kind = 'delivered'::text) AS delivered
           FROM ledger_private.history j
          WHERE j.tenant_id = h.tenant_id AND j.pool_id = h.pool_id AND (j.kind = ANY (ARRAY['settled'::text, 'cancelled'::text, 'expired'::text, 'delivered'::text]))) t ON true
  WHERE h.undelivered <> t.waiting OR h.next_cursor <> t.delivered
UNION ALL
 SELECT o.tenant_id,
    o.pool_id,
    'operation-without-row'::text AS rule,
    jsonb_build_object('operation_id', o.operation_id, 'seq', o.seq) AS detail
   FROM ledger_private.operations o
     LEFT JOIN LATERAL ( SELECT k.operation_id
           FROM ledger_private.history k
          WHERE k.tenant_id = o.tenant_id AND k.pool_id = o.pool_id AND k.seq = o.seq
         LIMIT 1) j ON true
  WHERE o.seq IS NOT NULL AND j.operation_id IS DISTINCT FROM o.operation_id;
alter view ledger_private.audit_endings owner to ledger_owner;
comment on view ledger_private.audit_endings is 'Invariant 4: every ended child has its one terminal row in its parent, deliveries are counted, rows name what exists.';
grant select on ledger_private.audit_endings to ledger_admin;
grant select on ledger_private.audit_endings to ledger_auditor;
grant select on ledger_private.audit_endings to ledger_writer;

create view ledger_private.audit_holds with (security_invoker=true) as
 SELECT c.tenant_id,
    c.pool_id,
    'reserved-differs-from-open-holds'::text AS rule,
    jsonb_build_object('channel', c.channel, 'reserved', trim_scale(c.reserved), 'holds', COALESCE(o.held, 0::numeric)) AS detail
   FROM ledger_private.channels c
     LEFT JOIN ( SELECT n.tenant_id,
            n.parent_node_id,
            h.key AS channel,
            sum(h.value::numeric) AS held
           FROM ledger_private.nodes n
             CROSS JOIN LATERAL jsonb_each(n.hold) h(key, value)
          WHERE n.ended_at IS NULL
          GROUP BY n.tenant_id, n.parent_node_id, h.key) o ON o.tenant_id = c.tenant_id AND o.parent_node_id = c.pool_id AND o.channel = c.channel
  WHERE c.reserved <> COALESCE(o.held, 0::numeric)
UNION ALL
 SELECT h.tenant_id,
    h.pool_id,
    'head-miscounts-children'::text AS rule,
    jsonb_build_object('children', h.children, 'open_holds', h.open_holds, 'nodes', COALESCE(n.children, 0::bigint), 'open_nodes', COALESCE(n.open, 0::bigint)) AS detail
   FROM ledger_private.pool_heads h
     LEFT JOIN ( SELECT n_1.tenant_id,
            n_1.parent_node_id,
            count(*) AS children,
            count(*) FILTER (WHERE n_1.ended_at IS NULL) AS open,
            min(n_1.lease_at) FILTER (WHERE n_1.ended_at IS NULL) AS next_lease_at
           FROM ledger_private.nodes n_1
          GROUP BY n_1.tenant_id, n_1.parent_node_id) n ON n.tenant_id = h.tenant_id AND n.parent_node_id = h.pool_id
  WHERE h.children <> COALESCE(n.children, 0::bigint) OR h.open_holds <> COALESCE(n.open, 0::bigint) OR n.next_lease_at IS NOT NULL AND COALESCE(h.next_lease_at > n.next_lease_at, true);
alter view ledger_private.audit_holds owner to ledger_owner;
comment on view ledger_private.audit_holds is 'Invariant 3: reserved is the sum of the open holds, and the head counts them.';
grant select on ledger_private.audit_holds to ledger_admin;
grant select on ledger_private.audit_holds to ledger_auditor;
grant select on ledger_private.audit_holds to ledger_writer;

create view ledger_private.audit_runs with (security_invoker=true) as
 SELECT v.tenant_id,
    v.run_id AS pool_id,
    'roll-up-differs-from-root'::text AS rule,
    jsonb_build_object('rolled_up', jsonb_build_object('tokens', s.charged_tokens, 'iterations', s.iterations, 'usd', s.usd), 'booked', jsonb_build_object('tokens', trim_scale(v.tokens), 'iterations', trim_scale(v.iterations), 'usd', trim_scale(v.usd))) AS detail
   FROM ( SELECT b.tenant_id,
            b.run_id,
            sum(b.booked) FILTER (WHERE b.channel = 'tokens'::text) AS tokens,
            sum(b.booked) FILTER (WHERE b.channel = 'iterations'::text) AS iterations,
            sum(b.booked) FILTER (WHERE b.channel = 'usd'::text) AS usd
           FROM ( SELECT p.tenant_id,
                    p.run_id,
                    c.channel,
                        CASE
                            WHEN p.pool_id = p.run_id THEN c.committed
                            WHEN p.state <> 'closed'::text AND (c.payer_pool_id = c.pool_id OR q.run_id IS DISTINCT FROM p.run_id) THEN c.committed
                            ELSE 0::numeric
                        END - c.remainder AS booked
                   FROM ledger_private.pools p
                     CROSS JOIN LATERAL ( SELECT c_1.tenant_id,
                            c_1.pool_id,
                            c_1.channel,
                            c_1.unit,
                            c_1.total,
                            c_1.free,
                            c_1.reserved,
                            c_1.committed,
                            c_1.uncertain,
                            c_1.remainder,
                            c_1.unknown,
                            c_1.seals,
                            c_1.payer_pool_id
                           FROM ledger_private.channels c_1
                          WHERE c_1.tenant_id = p.tenant_id AND c_1.pool_id = p.pool_id AND (c_1.channel = ANY (ARRAY['tokens'::text, 'iterations'::text, 'usd'::text]))
                         OFFSET 0) c
                     LEFT JOIN LATERAL ( SELECT q_1.run_id
                           FROM ledger_private.pools q_1
                          WHERE q_1.tenant_id = c.tenant_id AND q_1.pool_id = c.payer_pool_id
                         LIMIT 1) q ON true
                  WHERE p.run_id IS NOT NULL) b
          GROUP BY b.tenant_id, b.run_id) v
     CROSS JOIN LATERAL ( SELECT s_1.charged_tokens,
            s_1.iterations,
            s_1.usd
           FROM ledger.spent_breakdown s_1
          WHERE s_1.tenant_id = v.tenant_id AND s_1.run_id = v.run_id AND s_1.source = 'total'::text
         OFFSET 0) s
  WHERE v.tokens IS DISTINCT FROM s.charged_tokens OR v.iterations IS DISTINCT FROM s.iterations OR v.usd IS DISTINCT FROM s.usd;
alter view ledger_private.audit_runs owner to ledger_owner;
comment on view ledger_private.audit_runs is 'The roll-up of a run is what its root pool committed, less what only a seal put there.';
grant select on ledger_private.audit_runs to ledger_admin;
grant select on ledger_private.audit_runs to ledger_auditor;
grant select on ledger_private.audit_runs to ledger_writer;

create view ledger_private.audit_sequence with (security_invoker=true) as
 SELECT tenant_id,
    pool_id,
        CASE
            WHEN max(head) IS NULL THEN 'journal-of-no-pool'::text
            ELSE 'seq-not-dense'::text
        END AS rule,
        CASE
            WHEN max(head) IS NULL THEN jsonb_build_object('rows', count(seq))
            ELSE jsonb_build_object('seq', max(head), 'rows', count(seq), 'first', min(seq), 'last', max(seq))
        END AS detail
   FROM ( SELECT h.tenant_id,
            h.pool_id,
            h.seq AS head,
            NULL::bigint AS seq
           FROM ledger_private.pool_heads h
        UNION ALL
         SELECT j.tenant_id,
            j.pool_id,
            NULL::bigint,
            j.seq
           FROM ledger_private.history j) x
  GROUP BY tenant_id, pool_id
 HAVING max(head) IS DISTINCT FROM count(seq) OR max(head) IS DISTINCT FROM max(seq) OR 1 IS DISTINCT FROM min(seq);
alter view ledger_private.audit_sequence owner to ledger_owner;
comment on view ledger_private.audit_sequence is 'Invariant 5: seq is dense per pool, and the head knows the last one.';
grant select on ledger_private.audit_sequence to ledger_admin;
grant select on ledger_private.audit_sequence to ledger_auditor;
grant select on ledger_private.audit_sequence to ledger_writer;

create view ledger_private.audit_usage with (security_invoker=true) as
 SELECT j.tenant_id,
    j.pool_id,
    'usage-differs-from-posting'::text AS rule,
    jsonb_build_object('seq', j.seq, 'kind', j.kind) AS detail
   FROM ledger_private.history j
  WHERE j.source_pool_id IS NULL AND (j.kind = ANY (ARRAY['metered'::text, 'settled'::text, 'cancelled'::text, 'expired'::text, 'corrected'::text])) AND (COALESCE(j.charged_tokens, 0::numeric) <> COALESCE(j.tokens_spent, 0::numeric) OR COALESCE(j.iterations, 0::numeric) <> COALESCE(j.iterations_spent, 0::numeric) OR COALESCE(j.usd, 0::numeric) <> COALESCE(j.usd_spent, 0::numeric) OR COALESCE(j.uncertain_usd, 0::numeric) <> COALESCE(j.usd_uncertain, 0::numeric) OR COALESCE(j.uncertain_tokens, 0::numeric) <> COALESCE(j.tokens_uncertain, 0::numeric))
UNION ALL
 SELECT j.tenant_id,
    j.pool_id,
    'drawn-row-spends'::text AS rule,
    jsonb_build_object('seq', j.seq) AS detail
   FROM ledger_private.history j
  WHERE j.kind = 'drawn'::text AND j.iterations IS NOT NULL
UNION ALL
 SELECT l.tenant_id,
    l.pool_id,
    'difference-of-no-correction'::text AS rule,
    jsonb_build_object('seq', l.seq, 'line', l.line) AS detail
   FROM ledger_private.usage_history l
     JOIN ledger_private.history j ON j.tenant_id = l.tenant_id AND j.pool_id = l.pool_id AND j.seq = l.seq
  WHERE l.correction AND j.kind <> 'corrected'::text
UNION ALL
 SELECT t.tenant_id,
    NULL::text AS pool_id,
    'frozen-pools-miscounted'::text AS rule,
    jsonb_build_object('counted', t.frozen_pools, 'frozen', COALESCE(p.frozen, 0::bigint)) AS detail
   FROM ledger_private.tenants t
     LEFT JOIN ( SELECT p_1.tenant_id,
            count(*) AS frozen
           FROM ledger_private.pools p_1
          WHERE p_1.state = 'frozen'::text
          GROUP BY p_1.tenant_id) p ON p.tenant_id = t.tenant_id
  WHERE t.frozen_pools <> COALESCE(p.frozen, 0::bigint);
alter view ledger_private.audit_usage owner to ledger_owner;
comment on view ledger_private.audit_usage is 'What an event consumed is what it moved: own usage equals own postings, corrections included.';
grant select on ledger_private.audit_usage to ledger_admin;
grant select on ledger_private.audit_usage to ledger_auditor;
grant select on ledger_private.audit_usage to ledger_writer;

create view ledger_private.history with (security_invoker=true) as
 SELECT j.tenant_id,
    j.pool_id,
    j.seq,
    j.recorded_at,
    j.effective_at,
    j.kind,
    j.operation_id,
    j.recorded_by,
    j.run_id,
    j.node_id,
    j.source_pool_id,
    j.source_seq,
    j.corrects_seq,
    j.provider,
    j.model,
    j.provider_request_id,
    j.purpose,
    j.turn,
    j.tool_calls,
    j.tags,
    j.iterations,
    j.input_tokens,
    j.output_tokens,
    j.cache_read_tokens,
    j.cache_write_tokens,
    j.reasoning_tokens,
    j.charged_tokens,
    j.usd,
    j.ms,
    j.uncertain_tokens,
    j.uncertain_iterations,
    j.uncertain_usd,
    j.tokens_known,
    j.usd_known,
    j.resources,
    j.verdict,
    j.outcome,
    j.out_ref,
    j.reason,
    j.infra,
    j.detail,
    j.tokens_funded,
    j.tokens_held,
    j.tokens_spent,
    j.tokens_uncertain,
    j.tokens_unknown,
    j.iterations_funded,
    j.iterations_held,
    j.iterations_spent,
    j.iterations_uncertain,
    j.iterations_unknown,
    j.usd_funded,
    j.usd_held,
    j.usd_spent,
    j.usd_uncertain,
    j.usd_unknown,
    j.usd_seals,
    j.usd_remainder,
    j.resource_moves,
    j.cache_write_1h_tokens
   FROM ledger_private.journal j
UNION ALL
 SELECT a.tenant_id,
    a.pool_id,
    a.seq,
    a.recorded_at,
    a.effective_at,
    a.kind,
    a.operation_id,
    a.recorded_by,
    a.run_id,
    a.node_id,
    a.source_pool_id,
    a.source_seq,
    a.corrects_seq,
    a.provider,
    a.model,
    a.provider_request_id,
    a.purpose,
    a.turn,
    a.tool_calls,
    a.tags,
    a.iterations,
    a.input_tokens,
    a.output_tokens,
    a.cache_read_tokens,
    a.cache_write_tokens,
    a.reasoning_tokens,
    a.charged_tokens,
    a.usd,
    a.ms,
    a.uncertain_tokens,
    a.uncertain_iterations,
    a.uncertain_usd,
    a.tokens_known,
    a.usd_known,
    a.resources,
    a.verdict,
    a.outcome,
    a.out_ref,
    a.reason,
    a.infra,
    a.detail,
    a.tokens_funded,
    a.tokens_held,
    a.tokens_spent,
    a.tokens_uncertain,
    a.tokens_unknown,
    a.iterations_funded,
    a.iterations_held,
    a.iterations_spent,
    a.iterations_uncertain,
    a.iterations_unknown,
    a.usd_funded,
    a.usd_held,
    a.usd_spent,
    a.usd_uncertain,
    a.usd_unknown,
    a.usd_seals,
    a.usd_remainder,
    a.resource_moves,
    a.cache_write_1h_tokens
   FROM ledger_private.journal_archive a;
alter view ledger_private.history owner to ledger_owner;
comment on view ledger_private.history is 'Every event: the journal and its archive.';
grant select on ledger_private.history to ledger_admin;
grant select on ledger_private.history to ledger_auditor;
grant select on ledger_private.history to ledger_writer;

create view ledger_private.moves with (security_invoker=true) as
 SELECT j.tenant_id,
    j.pool_id,
    j.seq,
    m.channel,
    m.funded,
    m.held,
    m.spent,
    m.uncertain,
    m.unknown,
    m.seals,
    m.remainder
   FROM ledger_private.history j
     CROSS JOIN LATERAL ( SELECT 'tokens'::text AS channel,
            j.tokens_funded AS funded,
            j.tokens_held AS held,
            j.tokens_spent AS spent,
            j.tokens_uncertain AS uncertain,
            j.tokens_unknown AS unknown,
            0 AS seals,
            0::numeric AS remainder
        UNION ALL
         SELECT 'iterations'::text,
            j.iterations_funded,
            j.iterations_held,
            j.iterations_spent,
            j.iterations_uncertain,
            j.iterations_unknown,
            0,
            0
        UNION ALL
         SELECT 'usd'::text,
            j.usd_funded,
            j.usd_held,
            COALESCE(j.usd_spent, 0::numeric) + COALESCE(j.usd_remainder, 0::numeric),
            COALESCE(j.usd_uncertain, 0::numeric) + COALESCE(j.usd_remainder, 0::numeric),
            j.usd_unknown,
            j.usd_seals,
            j.usd_remainder
        UNION ALL
         SELECT r.key,
            (r.value -> 'funded'::text)::numeric AS "numeric",
            (r.value -> 'held'::text)::numeric AS "numeric",
            (r.value -> 'spent'::text)::numeric AS "numeric",
            (r.value -> 'uncertain'::text)::numeric AS "numeric",
            (r.value -> 'unknown'::text)::integer AS int4,
            0,
            0
           FROM jsonb_each(j.resource_moves) r(key, value)) m;
alter view ledger_private.moves owner to ledger_owner;
comment on view ledger_private.moves is 'What each event did to each channel, to be summed.';
grant select on ledger_private.moves to ledger_admin;
grant select on ledger_private.moves to ledger_auditor;
grant select on ledger_private.moves to ledger_writer;

create view ledger_private.usage_history with (security_invoker=true) as
 SELECT l.tenant_id,
    l.pool_id,
    l.seq,
    l.line,
    l.provider,
    l.model,
    l.provider_request_id,
    l.iterations,
    l.input_tokens,
    l.output_tokens,
    l.cache_read_tokens,
    l.cache_write_tokens,
    l.reasoning_tokens,
    l.charged_tokens,
    l.usd,
    l.ms,
    l.uncertain_usd,
    l.tokens_known,
    l.usd_known,
    l.resources,
    l.correction,
    l.cache_write_1h_tokens
   FROM ledger_private.usage_lines l
UNION ALL
 SELECT a.tenant_id,
    a.pool_id,
    a.seq,
    a.line,
    a.provider,
    a.model,
    a.provider_request_id,
    a.iterations,
    a.input_tokens,
    a.output_tokens,
    a.cache_read_tokens,
    a.cache_write_tokens,
    a.reasoning_tokens,
    a.charged_tokens,
    a.usd,
    a.ms,
    a.uncertain_usd,
    a.tokens_known,
    a.usd_known,
    a.resources,
    a.correction,
    a.cache_write_1h_tokens
   FROM ledger_private.usage_lines_archive a;
alter view ledger_private.usage_history owner to ledger_owner;
comment on view ledger_private.usage_history is 'Every usage line: those of the journal and of its archive.';
grant select on ledger_private.usage_history to ledger_admin;
grant select on ledger_private.usage_history to ledger_auditor;
grant select on ledger_private.usage_history to ledger_writer;
