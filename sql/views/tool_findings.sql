-- What the detectors say of each pool's tool calls (ledger.tool_calls), in order of seq and position. `repeated-action`: calls of one tool with one
-- digest of arguments, one after another; a call whose arguments are not stated equals none. `error-streak`: errors in a row; ok ends the row, a
-- call of which nobody knows is neither. Each fires when its streak is 3, and again whenever that has doubled (6, 12, ...), on the call that made
-- it so long.
create or replace view ledger.tool_findings
with (security_invoker = true)
as
select
  p.tenant_id, p.run_id, p.pool_id, f.detector, f.tool, f.arguments, f.streak, f.first_seq, f.seq, f.position, f.effective_at
from ledger_private.pools p
cross join lateral (
  with calls as materialized (
    select c.seq, c.position, c.tool, c.arguments, c.status, c.effective_at
    from ledger.tool_calls c
    where c.tenant_id = p.tenant_id and c.pool_id = p.pool_id
  ),
  actions as (
    select
      a.*, count(*) filter (where a.differs) over (order by a.seq, a.position) as streak_no
    from (
      select c.*, (c.tool = lag(c.tool) over w and c.arguments = lag(c.arguments) over w) is not true as differs
      from calls c
      window w as (order by c.seq, c.position)
    ) a
  ),
  errors as (
    select e.*
    from (
      select c.*, count(*) filter (where c.status = 'ok') over (order by c.seq, c.position) as streak_no
      from calls c
      where c.status is not null
    ) e
    where e.status = 'error'
  ),
  streaks as (
    select
      'repeated-action' as detector, a.tool, a.arguments, row_number() over w as streak, first_value(a.seq) over w as first_seq,
      a.seq, a.position, a.effective_at
    from actions a
    window w as (partition by a.streak_no order by a.seq, a.position)
    union all
    select
      'error-streak', case when min(e.tool) over w = max(e.tool) over w then e.tool end, null, row_number() over w, first_value(e.seq) over w,
      e.seq, e.position, e.effective_at
    from errors e
    window w as (partition by e.streak_no order by e.seq, e.position)
  )
  select s.* from streaks s
  where s.streak % 3 = 0 and (s.streak / 3) & (s.streak / 3 - 1) = 0
  offset 0
) f;
comment on view ledger.tool_findings is 'Tool calls that repeat themselves or fail in a row: at a streak of 3 and at each doubling.';
comment on column ledger.tool_findings.run_id is 'null: outside any run';
comment on column ledger.tool_findings.tool is 'null: errors of several tools';
comment on column ledger.tool_findings.arguments is 'null: errors, whatever the arguments';
revoke all on ledger.tool_findings from public;
grant select on ledger.tool_findings to ledger_admin, ledger_writer, ledger_auditor;
