-- The floor of a commit: one row, one update, nothing else.

-- :setup
create table bare_rows (id integer primary key, n bigint not null);
insert into bare_rows values (1, 0);

-- :update
update bare_rows set n = n + 1 where id = $1

-- :booked
select sum(n)::text as updates from bare_rows
