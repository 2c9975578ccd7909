-- The client everybody writes first: BEGIN ISOLATION LEVEL SERIALIZABLE, read the balance, write it, note what happened, COMMIT; the whole of it
-- again on 40001 and 40P01. One row per pool, so that it reads and writes less than the ledger does.

-- :setup
create table naive_pools (
  pool_id text primary key,
  tokens bigint not null,
  usd numeric not null,
  held_tokens bigint not null,
  held_usd numeric not null
);
create table naive_journal (
  id bigint generated always as identity primary key,
  pool_id text not null references naive_pools,
  operation_id text not null unique,
  kind text not null,
  tokens bigint not null,
  usd numeric not null,
  at timestamptz not null default now()
);
insert into naive_pools values ('hot', 1000000000000, 1000000000, 0, 0);

-- :read
select tokens::text, usd::text, held_tokens::text, held_usd::text from naive_pools where pool_id = $1

-- :write
update naive_pools set tokens = $2, usd = $3, held_tokens = $4, held_usd = $5 where pool_id = $1

-- :journal
insert into naive_journal (pool_id, operation_id, kind, tokens, usd) values ($1, $2, $3, $4, $5)

-- :booked
select count(*) filter (where j.kind = 'metered')::text as metered,
  count(*) filter (where j.kind = 'spawned')::text as spawned,
  count(*) filter (where j.kind = 'settled')::text as settled,
  (1000000000000 - (select sum(tokens + held_tokens) from naive_pools))::text as tokens
from naive_journal j
