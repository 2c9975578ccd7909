-- The limit: the same journal rows, in a bare copy of the journal (same columns, same indexes, no checks, no triggers), with nothing of a ledger
-- around them. Rows come from the client as one parameter. `columns` are those that the rows have a value in.

-- :setup
create schema bulk;
create table bulk.journal (like ledger_private.journal including defaults including indexes);

-- :columns
select string_agg(format('%I', a.attname), ', ' order by a.attnum) as names,
  string_agg(format('%I %s', a.attname, format_type(a.atttypid, null)), ', ' order by a.attnum) as types
from pg_attribute a
where a.attrelid = 'bulk.journal'::regclass and a.attnum > 0
  and a.attname in (
    select k.key from ledger_private.journal j cross join jsonb_each(jsonb_strip_nulls(to_jsonb(j))) k
    where j.tenant_id = $1 and j.kind = 'metered'
  )

-- :rows
select jsonb_strip_nulls(to_jsonb(j)) as row from ledger_private.journal j
where j.tenant_id = $1 and j.kind = 'metered' order by j.seq desc limit 1000

-- :insert
insert into bulk.journal (:names) select :names from json_to_recordset($1::json) as r (:types)

-- :booked
select count(*)::text as rows from bulk.journal
