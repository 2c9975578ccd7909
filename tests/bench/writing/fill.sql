-- Operations made on the server and booked through ledger.apply, which is where the time goes that a client would take to write and send them.
-- Ids are as long as those the client makes, and in such an order: a round is a minute.
-- $1 tenant, $2 pool, $3 number of the first operation in its tenant, $4 how many, $5 number of the first child in its pool, $6 number of the round.

-- :meter
select count(*) filter (where a.status = 'ok')::text as ok from ledger.apply($1, (
  select jsonb_agg(jsonb_build_object('op', 'meter', 'pool_id', $2::text,
    'operation_id', lpad($6::text, 5, '0') || substr(md5(($3::bigint + n)::text), 1, 12),
    'provider', 'anthropic', 'model', 'claude-sonnet-4-5', 'provider_request_id', 'req_' || substr(md5(($3::bigint + n)::text), 1, 24),
    'turn', n, 'purpose', 'turn', 'tags', jsonb_build_object('feature', 'review', 'team', 'team-' || n % 5),
    'spend', jsonb_build_object('iterations', 0, 'input_tokens', 1000 + n % 97, 'output_tokens', 100, 'cache_read_tokens', 500,
      'usd', '0.0123', 'ms', 900)))
  from generate_series(0, $4::integer - 1) n where $5::bigint is not null)) a

-- :spawn
select count(*) filter (where a.status = 'ok')::text as ok from ledger.apply($1, (
  select jsonb_agg(jsonb_build_object('op', 'spawn', 'pool_id', $2::text,
    'operation_id', lpad($6::text, 5, '0') || substr(md5(($3::bigint + n)::text), 1, 12),
    'label', 'worker', 'lease_ms', 900000,
    'tags', jsonb_build_object('feature', 'review', 'team', 'team-' || n % 5),
    'budget', jsonb_build_object('tokens', 2000, 'iterations', 1, 'usd', '0.02')))
  from generate_series(0, $4::integer - 1) n where $5::bigint is not null)) a

-- :settle
select count(*) filter (where a.status = 'ok')::text as ok from ledger.apply($1, (
  select jsonb_agg(jsonb_build_object('op', 'settle', 'outcome', 'done',
    'operation_id', lpad($6::text, 5, '0') || substr(md5(($3::bigint + n)::text), 1, 12),
    'node_id', $2::text || ':s' || $5::bigint + n,
    'provider', 'anthropic', 'model', 'claude-haiku-4-5', 'provider_request_id', 'req_' || substr(md5(($3::bigint + n)::text), 1, 24),
    'spend', jsonb_build_object('iterations', 1, 'input_tokens', 1000 + n % 97, 'output_tokens', 100, 'cache_read_tokens', 500,
      'usd', '0.0123', 'ms', 900)))
  from generate_series(0, $4::integer - 1) n)) a
