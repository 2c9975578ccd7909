-- Budgets: what seldom changes. depth_left and deadline_at are the strictest of the pool and all above it.
create or replace view ledger.pools
with (security_invoker = true)
as
select
  p.tenant_id, p.pool_id, p.parent_pool_id, p.run_id, p.state, p.deadline_at, p.unknown_usd, p.token_charge,
  p.depth, p.depth_left, p.tags, p.opened_at
from ledger_private.pools p;
comment on view ledger.pools is 'Budgets: parent, run, state, limits and charge unit.';
comment on column ledger.pools.parent_pool_id is 'null: at the top';
comment on column ledger.pools.run_id is 'null: outside any run';
comment on column ledger.pools.deadline_at is 'null: none';
comment on column ledger.pools.depth_left is 'null: unbounded';
comment on column ledger.pools.tags is 'null: none';
revoke all on ledger.pools from public;
grant select on ledger.pools to ledger_admin, ledger_writer, ledger_auditor;
