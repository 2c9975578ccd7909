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
