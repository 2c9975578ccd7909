-- What `pgbench -N` does, for machines without pgbench: one row of many updated, read, and an insert into a history, in a transaction.

-- :setup
create table simple_accounts (aid integer primary key, abalance integer not null, filler char(84) not null default '') with (fillfactor = 100);
create table simple_history (tid integer, bid integer, aid integer, delta integer, mtime timestamp, filler char(22));

-- :fill
insert into simple_accounts (aid, abalance) select n, 0 from generate_series(1, $1::integer) n

-- :update
update simple_accounts set abalance = abalance + $2 where aid = $1

-- :read
select abalance from simple_accounts where aid = $1

-- :note
insert into simple_history (tid, bid, aid, delta, mtime) values (1, 1, $1, $2, current_timestamp)

-- :booked
select count(*)::text as transactions from simple_history
