/**
 * A billing job: it takes what was spent out of the ledger into a table of its own, as it happens. The rows and the cursor are stored
 * in one transaction, so the job may be killed at any moment and started again: nothing is lost, and nothing is billed twice.
 *
 *     tsx billing-pull.ts <url of the ledger> <tenant> <url of the billing database> [follow]
 */

import { connect } from "../../src/database/connect.js";
import { createLedger, type JournalRow, type LedgerEvent } from "../../src/index.js";

/** Rows stored at a time. */
const BATCH = 20;

const [, , ledgerUrl = "", tenantId = "", billingUrl = "", mode] = process.argv;
const ledger = createLedger({ connectionString: ledgerUrl, tenantId });
const billing = await connect(billingUrl);

/** What is billed: the spends themselves and their corrections, which may be negative. All other rows only move the cursor. */
const isSpend = (row: JournalRow): boolean => row.source_pool_id === null && row.iterations !== null;

async function store(events: readonly LedgerEvent[]): Promise<void> {
  await billing.query("begin");
  for (const { row } of events.filter((event) => isSpend(event.row))) {
    await billing.query(
      "insert into billing.lines (tenant_id, pool_id, seq, run_id, charged_tokens, usd) values ($1, $2, $3, $4, $5, $6)",
      [tenantId, row.pool_id, row.seq, row.run_id, row.charged_tokens, row.usd],
    );
    process.stdout.write("taken\n");
  }
  const text = `insert into billing.cursors (tenant_id, cursor) values ($1, $2)
    on conflict (tenant_id) do update set cursor = excluded.cursor`;
  await billing.query(text, [tenantId, events.at(-1)?.cursor]);
  await billing.query("commit");
  process.stdout.write("stored\n");
}

const { rows } = await billing.query("select cursor from billing.cursors where tenant_id = $1", [tenantId]);
let waiting: LedgerEvent[] = [];
for await (const event of ledger.events({ after: rows[0]?.cursor, follow: mode === "follow" })) {
  waiting.push(event);
  if (waiting.length < BATCH) continue;
  await store(waiting);
  waiting = [];
}
if (waiting.length > 0) await store(waiting);
await ledger.close();
await billing.end();
process.stdout.write("done\n");
