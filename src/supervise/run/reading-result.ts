/** What a run came to, read from the views: tree, spend, gaps, leaks. The same for its own process and for whoever asks later. */

import type { Ledger } from "../../ledger/ledger.js";
import type { Breakdown, LeakedReservation, SpendGap, SupervisedResult } from "../result.js";
import { addedResources, OPEN, spentOf } from "../scope/reading.js";
import { PLAIN } from "../scope/reported.js";
import { treeOf } from "../scope/tree.js";
import type { TreeNode } from "../scope.js";
import type { Spent } from "../settled.js";
import type { Decision } from "./verdict-of-run.js";

/** The result of a run that came to `decision`; one that was never opened has an empty tree and spent nothing. */
export async function readResult<Value>(
  ledger: Ledger,
  runId: string,
  decision: Decision,
): Promise<SupervisedResult<Value>> {
  const tree = await treeOf(ledger, runId, runId);
  const [breakdown, ms, spendGaps, leakedReservations] = await Promise.all([
    breakdownOf(ledger, runId, tree),
    wallClock(ledger, runId),
    gapsOf(ledger, runId),
    leaksOf(ledger, runId),
  ]);
  const down = ["down", "cancelled", "expired"];
  const facts = {
    runId,
    tree,
    spentTotal: { ...breakdown.total, ms },
    spentBreakdown: breakdown,
    spendGaps,
    leakedReservations,
    downCount: tree.filter(({ parentId, status }) => parentId === runId && down.includes(status)).length,
  };
  if (decision.kind === "no-winner") {
    const { kind, reason, error } = decision;
    return { kind, reason, ...(error && { error }), ...facts };
  }
  const { kind, outRef, verdict } = decision;
  return { kind, out: (await ledger.artifact(outRef)).artifact as Value, outRef, verdict, ...facts };
}

async function breakdownOf(ledger: Ledger, runId: string, tree: readonly TreeNode[]): Promise<Breakdown> {
  const [rows, resources] = await Promise.all([ledger.spentBreakdown(runId), resourcesOf(ledger, tree)]);
  const part = (source: string, named: readonly unknown[]): Spent => {
    const row = rows.find((one) => one.source === source);
    return { ...spentOf({ usd: "0", ...row }), resources: addedResources(named) };
  };
  const { inference, work } = resources;
  return {
    driverInference: part("driver_inference", inference),
    childWork: part("child_work", work),
    total: part("total", [...inference, ...work]),
  };
}

/** Named resources are seldom: only pools that have such a channel are read. Transfers between pools are not counted. */
async function resourcesOf(
  ledger: Ledger,
  tree: readonly TreeNode[],
): Promise<{ readonly inference: unknown[]; readonly work: unknown[] }> {
  const drivers = tree.filter(({ driver }) => driver).map(({ nodeId }) => nodeId);
  if (drivers.length === 0) return { inference: [], work: [] };
  const { tenantId } = ledger;
  const rows = await ledger.read(async (db) => {
    const named = db.selectFrom("channels").where("tenant_id", "=", tenantId).where("pool_id", "in", drivers);
    const pools = await named.where("channel", "not in", PLAIN).select("pool_id").distinct().execute();
    if (pools.length === 0) return [];
    const events = db.selectFrom("journal").where("tenant_id", "=", tenantId).where("source_pool_id", "is", null);
    return events
      .where(
        "pool_id",
        "in",
        pools.map(({ pool_id }) => pool_id),
      )
      .where("kind", "in", ["metered", "settled", "cancelled", "expired", "corrected"])
      .where("resources", "is not", null)
      .select(["pool_id", "node_id", "resources"])
      .execute();
  });
  const of = (own: boolean): unknown[] =>
    rows.filter((row) => (row.node_id === row.pool_id) === own).map(({ resources: named }) => named);
  return { inference: of(true), work: of(false) };
}

/** Milliseconds from the first start to the end, or until now. */
async function wallClock(ledger: Ledger, runId: string): Promise<number> {
  const node = await ledger.read((db) =>
    db
      .selectFrom("nodes")
      .select(["spawned_at", "ended_at"])
      .where("tenant_id", "=", ledger.tenantId)
      .where("node_id", "=", runId)
      .executeTakeFirst(),
  );
  return node ? Math.max(0, (node.ended_at?.getTime() ?? Date.now()) - node.spawned_at.getTime()) : 0;
}

async function gapsOf(ledger: Ledger, runId: string): Promise<SpendGap[]> {
  const gaps = await ledger.read((db) =>
    db
      .selectFrom("spend_gaps")
      .select(["node_id", "gap", "channels"])
      .where("tenant_id", "=", ledger.tenantId)
      .where("run_id", "=", runId)
      .orderBy("node_id")
      .orderBy("gap")
      .execute(),
  );
  return gaps.map(({ node_id, gap, channels }) => ({ nodeId: node_id, gap: gap as SpendGap["gap"], channels }));
}

async function leaksOf(ledger: Ledger, runId: string): Promise<LeakedReservation[]> {
  const open = await ledger.read((db) =>
    db
      .selectFrom("nodes")
      .select(["node_id", "hold", "lease_at"])
      .where("tenant_id", "=", ledger.tenantId)
      .where("run_id", "=", runId)
      .where("node_id", "!=", runId)
      .where("status", "in", OPEN)
      .orderBy("node_id")
      .execute(),
  );
  return open.flatMap(({ node_id, hold, lease_at }) => {
    const held = Object.entries((hold ?? {}) as Record<string, unknown>).map(([name, amount]) => [
      name,
      String(amount),
    ]);
    return held.length === 0 ? [] : [{ nodeId: node_id, held: Object.fromEntries(held), leaseAt: lease_at }];
  });
}
