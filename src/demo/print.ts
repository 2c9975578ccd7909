/** What the ledger says of the demonstration's tenant, as tables for people. */
import type { Kysely } from "kysely";
import { MONTH, RUN, TENANT } from "./history.js";
import { amount, NOTHING, printTable } from "./table.js";
import { drawTree } from "./tree.js";
import type { LedgerViews } from "./views.js";

/** Balances of the month and of the run, channel by channel. */
export async function printBalances(views: Kysely<LedgerViews>): Promise<void> {
  const rows = await views
    .selectFrom("ledger.channels")
    .selectAll()
    .where("tenant_id", "=", TENANT)
    .where("pool_id", "in", [MONTH, RUN])
    .orderBy("pool_id")
    .orderBy("channel")
    .execute();
  printTable(
    "Balances (total = free + reserved + committed)",
    ["pool", "channel", "total", "free", "reserved", "committed", "of it uncertain"],
    rows.map((r) => [
      r.pool_id,
      r.channel,
      ...[r.total, r.free, r.reserved, r.committed, r.uncertain].map((value) => amount(value)),
    ]),
    2,
  );
}

/** The run as a tree, with each node's own spend and that of everything below it. */
export async function printTree(views: Kysely<LedgerViews>): Promise<void> {
  const rows = await views
    .selectFrom("ledger.trajectory")
    .selectAll()
    .where("tenant_id", "=", TENANT)
    .where("run_id", "=", RUN)
    .orderBy("path")
    .execute();
  printTable(
    "The run: own spend, and rolled up with everything below (? = some of it without a receipt)",
    ["node", "status", "own tokens", "own usd", "tokens", "usd"],
    drawTree(rows).map(({ line, node }) => [
      line,
      node.status,
      amount(node.own_charged_tokens),
      node.own_usd,
      amount(node.rolled_up_charged_tokens),
      `${node.rolled_up_usd}${node.rolled_up_usd_known ? "" : " ?"}`,
    ]),
    2,
  );
}

/** Where the run's spend came from. */
export async function printBreakdown(views: Kysely<LedgerViews>): Promise<void> {
  const rows = await views
    .selectFrom("ledger.spent_breakdown")
    .selectAll()
    .where("tenant_id", "=", TENANT)
    .where("run_id", "=", RUN)
    .orderBy((row) => row.case().when("source", "=", "total").then(1).else(0).end())
    .orderBy("source", "desc")
    .execute();
  printTable(
    "Where the run's spend comes from",
    ["source", "iterations", "input tokens", "output tokens", "usd", "of it uncertain"],
    rows.map((r) => [
      r.source,
      ...[r.iterations, r.input_tokens, r.output_tokens, r.usd, r.uncertain_usd].map((value) => amount(value)),
    ]),
  );
}

/** What was refused, and why. */
export async function printRefusals(views: Kysely<LedgerViews>): Promise<void> {
  const rows = await views.selectFrom("ledger.refusals").selectAll().where("tenant_id", "=", TENANT).execute();
  printTable(
    "Refused",
    ["asked for", "of pool", "reason", "short of"],
    rows.map((r) => [
      r.label ?? r.operation_id,
      r.pool_id,
      r.code,
      r.shortfall.map((s) => `${s.channel}: ${amount(s.requested)} asked, ${amount(s.free)} free`).join("\n"),
    ]),
    4,
  );
}

/** Whether the books are right: every balance compared with the journal. */
export async function printAudit(views: Kysely<LedgerViews>): Promise<number> {
  const rows = await views.selectFrom("ledger.audit").selectAll().where("tenant_id", "=", TENANT).execute();
  console.log(`\nAudit: ${rows.length} findings`);
  for (const row of rows) console.log(`  ${row.pool_id ?? NOTHING}: ${row.rule} ${JSON.stringify(row.detail)}`);
  return rows.length;
}
