/**
 * Opening a run, once. Whoever starts it opens its pool under an operation id of its own, so that of two that start the same run
 * exactly one does; the other gets LG011. A resume goes on with the pool that is there, after comparing what it was opened with.
 */

import { LedgerError } from "../../ledger/errors.js";
import { newId } from "../../ledger/ids.js";
import type { Ledger } from "../../ledger/ledger.js";
import { differences } from "./identity.js";
import type { CheckedRun } from "./run-options.js";

/** A run as the ledger has it. */
export interface FoundRun {
  /** Of the first start. */
  readonly openedAt: Date;
  /** The strictest of the run and all pools above it. */
  readonly deadlineAt: Date | null;
  /** Null while it has not ended. */
  readonly outcome: string | null;
}

/**
 * The run, where there is one; what it was opened with must be what is asked for.
 * @throws {LedgerError} LG011 where it is there and `resume` is false, or the id is a node's that is no run; LG005 where it was opened
 *   otherwise (`detail.differences`).
 */
export async function findRun(ledger: Ledger, asked: CheckedRun): Promise<FoundRun | undefined> {
  const { runId, resume } = asked;
  const found = await lookUp(ledger, runId);
  if (!found) return undefined;
  if (!resume) throw taken(runId, "a run of that id exists: go on with it by resume, or choose another id");
  if (found.run_id !== runId) throw taken(runId, "a node of that id exists, and is no run: choose another id");
  const differing = await differences(ledger, found, asked);
  const [first] = differing;
  if (first) {
    const rule = `was ${first.was} when the run was first started, not ${first.asked}`;
    throw new LedgerError("LG005", `run ${runId} was started otherwise: ${differing.map(sentence).join("; ")}`, {
      detail: { path: `options.${first.path}`, rule, run_id: runId, differences: differing },
    });
  }
  return { openedAt: found.opened_at, deadlineAt: found.deadline_at, outcome: found.outcome };
}

/**
 * Opens the run's pool.
 * @throws {LedgerError} LG011 where somebody else has opened it meanwhile; LG001; under a parent also its refusals.
 */
export async function startRun(ledger: Ledger, asked: CheckedRun): Promise<FoundRun> {
  const { runId, budget, label = runId, experiment, arm, task, replicate } = asked;
  const { parentPoolId, deadlineMs, maxDepth, unknownUsd, tokenCharge, tags } = asked;
  const run = Object.fromEntries(
    Object.entries({ label, experiment, arm, task, replicate }).filter(([, value]) => value !== undefined),
  ) as { label: string };
  await ledger.openPool(budget, {
    poolId: runId,
    operationId: `start:${newId()}`,
    run,
    maxDepth,
    parentPoolId,
    deadlineMs,
    unknownUsd,
    tokenCharge,
    tags,
  });
  const opened = await lookUp(ledger, runId);
  if (!opened) throw new LedgerError("LG002", `run ${runId} was opened, and cannot be read`);
  return { openedAt: opened.opened_at, deadlineAt: opened.deadline_at, outcome: opened.outcome };
}

/** What the views tell of the node and pool of that id. */
export type OpenedRun = NonNullable<Awaited<ReturnType<typeof lookUp>>>;

function lookUp(ledger: Ledger, runId: string) {
  const query = ledger.db
    .selectFrom("nodes as node")
    .innerJoin("pools as pool", (join) =>
      join.onRef("pool.tenant_id", "=", "node.tenant_id").onRef("pool.pool_id", "=", "node.node_id"),
    )
    .leftJoin("runs as run", (join) =>
      join.onRef("run.tenant_id", "=", "node.tenant_id").onRef("run.run_id", "=", "node.node_id"),
    )
    .leftJoin("pools as above", (join) =>
      join.onRef("above.tenant_id", "=", "node.tenant_id").onRef("above.pool_id", "=", "node.parent_node_id"),
    )
    .where("node.tenant_id", "=", ledger.tenantId)
    .where("node.node_id", "=", runId)
    .select([
      "run.run_id",
      "run.label",
      "run.experiment",
      "run.arm",
      "run.task",
      "run.replicate",
      "run.outcome",
      "node.parent_node_id",
      "pool.opened_at",
      "pool.deadline_at",
      "pool.depth_left",
      "pool.unknown_usd",
      "pool.token_charge",
      "above.deadline_at as deadline_above",
      "above.depth_left as depth_above",
    ]);
  return ledger.read(() => query.executeTakeFirst());
}

function taken(runId: string, rule: string): LedgerError {
  return new LedgerError("LG011", `options.runId: ${rule} (${runId})`, { detail: { path: "options.runId", rule } });
}

function sentence({ path, was, asked }: { path: string; was: unknown; asked: unknown }): string {
  return `${path} was ${was}, not ${asked}`;
}
