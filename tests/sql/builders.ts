/** Operations as tests write them: what matters named, the rest filled in. */
import type { Operation } from "./books.js";

type Amount = number | string;

/** Opens a pool; a channel is its total, or `null` to name it without one. */
export function openPool(poolId: string, totals: Record<string, Amount | null> = {}, more: Operation = {}): Operation {
  const channels = Object.fromEntries(
    Object.entries(totals).map(([name, total]) => [name, total === null ? {} : { total }]),
  );
  return { op: "open_pool", pool_id: poolId, channels, ...more };
}

/** Opens a pool that is a run labelled as it is named. */
export function openRun(poolId: string, totals: Record<string, Amount | null> = {}, more: Operation = {}): Operation {
  return openPool(poolId, totals, { run: { label: poolId }, ...more });
}

/** Spawns a leaf of a chosen id, labelled as it is named. */
export function spawn(
  poolId: string,
  nodeId: string,
  budget: Record<string, Amount> = {},
  more: Operation = {},
): Operation {
  return { op: "spawn", pool_id: poolId, node_id: nodeId, label: nodeId, budget, ...more };
}

/** Spawns a driver of a chosen id. */
export function spawnDriver(
  poolId: string,
  nodeId: string,
  budget: Record<string, Amount> = {},
  more: Operation = {},
): Operation {
  return spawn(poolId, nodeId, budget, { driver: true, ...more });
}

/** A spend: nothing, and what is named instead. Dollars are a receipt of 0 unless said otherwise. */
export function spend(fields: Operation = {}): Operation {
  const dollars = "usd" in fields || "usd_known" in fields ? {} : { usd: "0" };
  return { iterations: 0, input_tokens: 0, output_tokens: 0, ...dollars, ...fields };
}

/** Settles a leaf as done with what it spent. */
export function settle(nodeId: string, fields: Operation = {}, more: Operation = {}): Operation {
  return { op: "settle", node_id: nodeId, outcome: "done", spend: spend(fields), ...more };
}

/** Settles a driver or a root as done. */
export function settleDriver(nodeId: string, more: Operation = {}): Operation {
  return { op: "settle", node_id: nodeId, outcome: "done", ...more };
}

/** Meters a driver's own turn. */
export function meter(poolId: string, fields: Operation = {}, more: Operation = {}): Operation {
  return { op: "meter", pool_id: poolId, spend: spend(fields), ...more };
}

/** Corrects what an operation booked. */
export function correct(of: string, fields: Operation = {}, more: Operation = {}): Operation {
  return { op: "correct", of, spend: spend(fields), reason: "invoice", ...more };
}
