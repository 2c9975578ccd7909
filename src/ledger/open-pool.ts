/** Opening a budget. */
import { createHash } from "node:crypto";
import type { z } from "zod";
import { BudgetPool } from "./budget-pool.js";
import { LedgerError } from "./errors.js";
import { newId } from "./ids.js";
import { anyKeys, waitOf } from "./operation-keys.js";
import type { Budget, Operation } from "./protocol.js";
import * as schemas from "./schemas.js";
import { sendDone, type Writer } from "./writer.js";

/** Options of `openPool`. */
export type OpenPoolOptions = z.input<typeof schemas.openPoolOptions>;

/**
 * Opens a pool. Its operation id is made from `poolId` where that is given, so that opening the same pool again, after a crash
 * or by another process, finds it; opening it with other content is LG005.
 */
export async function openPool(writer: Writer, budget: Budget, options: OpenPoolOptions = {}): Promise<BudgetPool> {
  const {
    poolId = newId(),
    parentPoolId,
    run,
    deadlineMs,
    maxDepth,
    unknownUsd,
    tokenCharge,
    units,
    ...any
  } = schemas.parse(schemas.openPoolOptions, options, "options");
  const totals = schemas.parse(schemas.budget, budget, "budget");
  const names = new Set([...Object.keys(totals), ...Object.keys(units ?? {})]);
  const operation = {
    op: "open_pool",
    operation_id: any.operationId ?? openingId(poolId),
    ...anyKeys(any),
    pool_id: poolId,
    channels: Object.fromEntries([...names].map((name) => [name, { total: totals[name], unit: units?.[name] }])),
    parent_pool_id: parentPoolId,
    run,
    deadline_ms: deadlineMs,
    max_depth: maxDepth,
    unknown_usd: unknownUsd,
    token_charge: tokenCharge,
  } as Operation;
  await sendDone(writer, operation, waitOf(any)).catch((error: unknown): never => {
    throw error instanceof LedgerError && error.code === "LG005" ? standsOtherwise(poolId, error) : error;
  });
  return new BudgetPool(writer, poolId);
}

/** The first thing that who changes a budget in a program meets. */
function standsOtherwise(poolId: string, { detail, cause }: LedgerError): LedgerError {
  const todo = "ledger.pool(id) takes it as it stands, fund changes its totals, another poolId opens another";
  return new LedgerError("LG005", `pool ${poolId} was opened with another budget or other options: ${todo}`, {
    detail,
    cause,
  });
}

/** Ids are at most 200 characters long; a digest stands for a pool id that leaves no room for more. */
function openingId(poolId: string): string {
  return `open_pool:${poolId.length <= 190 ? poolId : createHash("sha256").update(poolId).digest("hex")}`;
}
