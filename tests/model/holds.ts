/**
 * What happens to a hold while it is open, to a call before it is made, and to a run when it is judged.
 */
import { Refused, require } from "./faults.js";
import { type Context, isOpen, type Node, type Pool, poolOf, writeRow } from "./state.js";
import { type Json, milliseconds } from "./values.js";

type Result = Record<string, unknown>;

/** The open hold an operation names; the node of a pool without a parent has none. */
function openHold(context: Context, operation: Json): { node: Node; pool: Pool } {
  const node = context.state.nodes.get(operation.node_id as string);
  require(node !== undefined, "LG003");
  require(node.poolId !== null, "LG001");
  require(isOpen(node), "LG004");
  return { node, pool: poolOf(context.state, node.poolId) };
}

export function dispatch(context: Context, operation: Json): Result {
  if (operation.pool_id !== undefined) return announce(context, operation);
  const { node, pool } = openHold(context, operation);
  if (node.status === "dispatched") return { pool_id: pool.id, seq: null };
  node.status = "dispatched";
  node.wasDispatched = true;
  return { pool_id: pool.id, seq: writeRow(context, pool, "dispatched", node.id) };
}

/** A driver's own call, before it is made. */
function announce(context: Context, operation: Json): Result {
  const pool = context.state.pools.get(operation.pool_id as string);
  require(pool !== undefined, "LG002");
  if (pool.state === "closed") throw new Refused("pool-closed", pool.id);
  const seq = writeRow(context, pool, "dispatched", pool.id);
  context.state.announced.push({ poolId: pool.id, seq, meterId: operation.meter_id as string });
  return { pool_id: pool.id, seq };
}

export function extend(context: Context, operation: Json): Result {
  const { node, pool } = openHold(context, operation);
  node.leaseUntil = context.at + milliseconds(operation.lease_ms);
  return { pool_id: pool.id, seq: writeRow(context, pool, "extended", node.id) };
}

export function judge(context: Context, operation: Json): Result {
  const node = context.state.nodes.get(operation.run_id as string);
  require(node !== undefined, "LG003");
  require(node.isRun, "LG001");
  const pool = poolOf(context.state, node.id);
  const run = context.state.runs.get(node.id);
  if (run !== undefined) run.infra = operation.infra === true;
  return { pool_id: pool.id, seq: writeRow(context, pool, "judged", node.id) };
}
