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
