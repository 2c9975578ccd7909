/** Ways to spoil the history of `playHistory`, one or more for every rule of the audit. */

export interface Fault {
  /** The rule that must speak up, for the pool named. */
  readonly rule: string;
  readonly pool: string | null;
  readonly title: string;
  /** `t` stands for the tenant. */
  readonly sql: string;
}

const channel = (poolId: string, name: string, change: string): string =>
  `update ledger_private.channels set ${change} where tenant_id = t and pool_id = '${poolId}' and channel = '${name}'`;
const journal = (where: string, change: string): string =>
  `update ledger_private.journal set ${change} where tenant_id = t and ${where}`;
const head = (poolId: string, change: string): string =>
  `update ledger_private.pool_heads set ${change} where tenant_id = t and pool_id = '${poolId}'`;
const node = (nodeId: string, change: string): string =>
  `update ledger_private.nodes set ${change} where tenant_id = t and node_id = '${nodeId}'`;

const balance = (title: string, sql: string, pool = "tenant"): Fault => ({
  rule: "balance-differs-from-journal",
  pool,
  title,
  sql,
});

export const FAULTS: readonly Fault[] = [
  balance("a total that nobody funded", channel("tenant", "tokens", "total = total + 1, free = free + 1")),
  balance("spend that nobody booked", channel("tenant", "usd", "committed = committed + 1, free = free - 1")),
  balance("a hold that nobody made", channel("tenant", "tokens", "reserved = reserved + 1, free = free - 1")),
  balance("certainty that nobody brought", channel("run-b", "tokens", "uncertain = uncertain + 1"), "run-b"),
  balance("an unknown event that was not", channel("tenant", "gpu_seconds", "unknown = unknown + 1")),
  balance("a seal that nothing set", channel("tenant", "usd", "seals = seals + 1, unknown = unknown + 1")),
  balance("a resource that nobody spent", channel("below", "gpu_seconds", "committed = committed + 1"), "below"),
  balance(
    "a posting changed",
    journal("operation_id = 'turn' and kind = 'metered'", "tokens_spent = tokens_spent + 1"),
    "below",
  ),
  balance(
    "a posting of a resource changed",
    journal("node_id = 'leaf' and kind = 'settled'", "resource_moves = '{}'"),
    "below",
  ),
  {
    rule: "reserved-differs-from-open-holds",
    pool: "run-b",
    title: "an open hold that holds something else",
    sql: node("open", `hold = '{"tokens": 1}'`),
  },
  {
    rule: "reserved-differs-from-open-holds",
    pool: "run-b",
    title: "an open hold that is gone",
    sql: "delete from ledger_private.nodes where tenant_id = t and node_id = 'open'",
  },
  {
    rule: "head-miscounts-children",
    pool: "run-b",
    title: "a child too many",
    sql: head("run-b", "children = children + 1"),
  },
  {
    rule: "head-miscounts-children",
    pool: "run-b",
    title: "an open hold too few",
    sql: head("run-b", "open_holds = 0"),
  },
  {
    rule: "head-miscounts-children",
    pool: "run-b",
    title: "a lease that the head has forgotten",
    sql: node("open", "lease_at = '2000-01-01'"),
  },
  {
    rule: "seq-not-dense",
    pool: "below",
    title: "a row gone",
    sql: "delete from ledger_private.journal where tenant_id = t and pool_id = 'below' and seq = 2",
  },
  {
    rule: "seq-not-dense",
    pool: "below",
    title: "a row moved away",
    sql: journal("pool_id = 'below' and seq = 2", "seq = 99"),
  },
  { rule: "seq-not-dense", pool: "below", title: "a head that is ahead", sql: head("below", "seq = seq + 1") },
  {
    rule: "journal-of-no-pool",
    pool: "nowhere",
    title: "a row of another pool",
    sql: journal("pool_id = 'below' and kind = 'delivered'", "pool_id = 'nowhere'"),
  },
  {
    rule: "ending-without-terminal-row",
    pool: "below",
    title: "an end that is not booked",
    sql: node("leaf", "terminal_seq = 1"),
  },
  {
    rule: "ending-without-terminal-row",
    pool: "run-b",
    title: "a node at work that has ended",
    sql: node("open", "status = 'done', ended_at = now()"),
  },
  {
    rule: "journal-of-no-node",
    pool: "run-b",
    title: "rows of nobody",
    sql: journal("node_id = 'cancelled' and kind = 'spawned'", "node_id = 'nobody'"),
  },
  {
    rule: "deliveries-miscounted",
    pool: "below",
    title: "an end that waits twice",
    sql: head("below", "undelivered = undelivered + 1"),
  },
  {
    rule: "deliveries-miscounted",
    pool: "below",
    title: "a cursor that ran ahead",
    sql: head("below", "next_cursor = next_cursor + 1"),
  },
  {
    rule: "deliveries-miscounted",
    pool: "below",
    title: "a delivery taken back",
    sql: head("below", "delivered_seq = 0"),
  },
  {
    rule: "operation-without-row",
    pool: "below",
    title: "an answer that names another's row",
    sql: "update ledger_private.operations set seq = 1 where tenant_id = t and operation_id = 'turn'",
  },
  {
    rule: "usage-differs-from-posting",
    pool: "below",
    title: "usage that was not charged",
    sql: journal("operation_id = 'turn' and kind = 'metered'", "charged_tokens = charged_tokens + 1"),
  },
  {
    rule: "usage-differs-from-posting",
    pool: "below",
    title: "dollars that were not charged",
    sql: journal("operation_id = 'turn' and kind = 'metered'", "usd = usd + 1"),
  },
  {
    rule: "usage-differs-from-posting",
    pool: "run-b",
    title: "uncertainty that was not posted",
    sql: journal("node_id = 'dispatched' and kind = 'expired'", "uncertain_tokens = 0"),
  },
  {
    rule: "drawn-row-spends",
    pool: "project",
    title: "a transfer that says it is usage",
    sql: journal("pool_id = 'project' and kind = 'drawn'", "iterations = 0"),
  },
  {
    rule: "difference-of-no-correction",
    pool: "below",
    title: "a line of a settlement that says it is a difference",
    sql: "update ledger_private.usage_lines set correction = true where tenant_id = t and pool_id = 'below' and line = 0",
  },
  {
    rule: "frozen-pools-miscounted",
    pool: null,
    title: "a frozen pool not counted",
    sql: "update ledger_private.tenants set frozen_pools = 0 where tenant_id = t",
  },
  {
    rule: "frozen-pools-miscounted",
    pool: null,
    title: "a pool that is frozen without a row",
    sql: "update ledger_private.pools set state = 'frozen' where tenant_id = t and pool_id = 'tenant'",
  },
  {
    rule: "child-total-differs-from-parent",
    pool: "run-b",
    title: "an open child pool with more than its hold",
    sql: channel("run-b", "tokens", "total = total + 1, free = free + 1"),
  },
  {
    rule: "child-total-differs-from-parent",
    pool: "driver",
    title: "a closed child pool with more than was committed for it",
    sql: channel("driver", "tokens", "total = total + 1, committed = committed + 1"),
  },
  {
    rule: "child-total-differs-from-parent",
    pool: "driver",
    title: "a closed child pool that kept something",
    sql: channel("driver", "tokens", "free = 1, committed = committed - 1"),
  },
  {
    rule: "closed-pool-has-holds",
    pool: "driver",
    title: "a closed pool that still holds",
    sql: channel("driver", "tokens", "reserved = 1, committed = committed - 1"),
  },
  {
    rule: "drawn-differs-from-source",
    pool: "project",
    title: "a payer that paid something else",
    sql: journal("pool_id = 'project' and kind = 'drawn' and usd_spent = 0.05", "usd_spent = 0.04"),
  },
  {
    rule: "drawn-differs-from-source",
    pool: "project",
    title: "a payer that paid for another event",
    sql: journal("pool_id = 'project' and kind = 'drawn' and usd_spent = 0.05", "source_seq = 1"),
  },
  {
    rule: "drawn-differs-from-source",
    pool: "project",
    title: "a payer that paid for one event twice, and got it back once",
    sql: `with h as (
        update ledger_private.pool_heads set seq = seq + 2 where tenant_id = t and pool_id = 'project' returning seq - 2 as seq
      )
      insert into ledger_private.journal
      select (jsonb_populate_record(null::ledger_private.journal,
        to_jsonb(j) || jsonb_build_object('seq', h.seq + n, 'usd_spent', case n when 1 then 1000 else -1000 end))).*
      from (select * from ledger_private.journal where tenant_id = t and pool_id = 'project' and kind = 'drawn' order by seq limit 1) j
      cross join h
      cross join generate_series(1, 2) n`,
  },
  {
    rule: "drawn-differs-from-source",
    pool: "tenant",
    title: "a resource that its payer did not pay",
    sql: journal("pool_id = 'tenant' and kind = 'drawn'", "resource_moves = null"),
  },
  {
    rule: "payer-links-differ",
    pool: "run-a",
    title: "a pool that forgot a payer",
    sql: "update ledger_private.pools set payers = null where tenant_id = t and pool_id = 'run-a'",
  },
  {
    rule: "payer-links-differ",
    pool: "run-a",
    title: "a channel that somebody else pays",
    sql: channel("run-a", "usd", "payer_pool_id = null"),
  },
  {
    rule: "payer-caps-nothing",
    pool: "below",
    title: "a payer that caps nothing",
    sql: channel("below", "usd", "payer_pool_id = 'run-a'"),
  },
  {
    rule: "roll-up-differs-from-root",
    pool: "run-a",
    title: "usage below that the root did not book",
    sql: journal("operation_id = 'turn' and kind = 'metered'", "charged_tokens = charged_tokens + 1"),
  },
  {
    rule: "roll-up-differs-from-root",
    pool: "run-b",
    title: "a root that booked what nobody used",
    sql: channel("run-b", "iterations", "committed = committed + 1, free = free - 1"),
  },
  {
    rule: "archive-differs-from-record",
    pool: "below",
    title: "a stretch that is recorded and was not archived",
    sql: `insert into ledger_private.archives values
      (t, 'below', 1, 1, 'run-a', 1, 0, '{}', 'sha256:${"0".repeat(64)}', now(), 'nobody')`,
  },
  {
    rule: "seq-not-dense",
    pool: "below",
    title: "an event that is archived and still in the journal",
    sql: `insert into ledger_private.journal_archive
      select j.* from ledger_private.journal j where j.tenant_id = t and j.pool_id = 'below' and j.seq = 1`,
  },
];
