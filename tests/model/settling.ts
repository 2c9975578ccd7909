/**
 * Nodes end: `settle`, `cancel` and `close_pool`.
 */
import { type Amount, formatAmount } from "./amounts.js";
import { bookEvent, bookTransfer } from "./booking.js";
import { balanceOf, bookedIn, freeOf, keepNothing } from "./channels.js";
import { ceilingsSpent, chargeFor, nothingSpent, violationsOf } from "./charges.js";
import { require } from "./faults.js";
import { change } from "./movements.js";
import { usageBelow } from "./reports.js";
import { readSpend } from "./spends.js";
import {
  type Charge,
  type Context,
  childrenOf,
  isOpen,
  type Node,
  type NodeStatus,
  type Pool,
  poolOf,
  writeRow,
} from "./state.js";
import { usageAnswer } from "./usage.js";
import type { Json } from "./values.js";

type Result = Record<string, unknown>;

/** How a node ends. */
export interface Ending {
  readonly status: NodeStatus;
  /** The kind of its row in the pool that held for it. */
  readonly kind: "settled" | "cancelled" | "expired";
  readonly outRef?: string;
}

export function settle(context: Context, operation: Json): Result {
  const { outcome, out_ref } = operation;
  const ending: Ending = {
    status: outcome as "done" | "down",
    kind: "settled",
    ...(out_ref === undefined ? {} : { outRef: out_ref as string }),
  };
  return endNode(context, operation, ending);
}

export function cancel(context: Context, operation: Json): Result {
  return endNode(context, operation, { status: "cancelled", kind: "cancelled" });
}

function endNode(context: Context, operation: Json, ending: Ending): Result {
  const node = context.state.nodes.get(operation.node_id as string);
  require(node !== undefined, "LG003");
  if (node.ownsPool) {
    const { spend, tool_calls, tool_results } = operation;
    require([spend, tool_calls, tool_results].every((stated) => stated === undefined), "LG001");
    const { answer } = endDriver(context, node, ending);
    const run = context.state.runs.get(node.id);
    if (run !== undefined) run.infra ||= operation.infra === true;
    return answer;
  }
  require(operation.spend !== undefined || ending.kind === "cancelled", "LG001");
  const pool = poolOf(context.state, node.poolId ?? "");
  const charge =
    operation.spend === undefined
      ? silentCharge(node)
      : chargeFor(readSpend(operation.spend), pool.tokenCharge, node.declared);
  return node.status === "expired"
    ? endExpired(context, pool, node, charge, ending)
    : endLeaf(context, pool, node, charge, ending);
}

/** Without a report: nothing if the provider was never called, else the ceilings. */
export function silentCharge(node: Node): Charge {
  return node.wasDispatched ? ceilingsSpent(node.declared) : nothingSpent();
}

/** Commits what a leaf spent, whatever it is, and gives back the rest of its hold. */
export function endLeaf(context: Context, pool: Pool, node: Node, charge: Charge, ending: Ending): Result {
  require(isOpen(node), "LG004");
  const { events } = context.state;
  const event = { id: events.length, poolId: pool.id, nodeId: node.id, declared: node.declared };
  events.push({ ...event, charge, lines: [] });
  context.events.push(event.id);
  node.eventId = event.id;
  releaseHold(pool, node);
  const seq = bookEvent(context, pool, ending.kind, node.id, charge.movements);
  markEnded(node, ending, seq);
  return leafAnswer(pool, node, charge, seq);
}

/** The truth about an expired leaf replaces what its expiry charged, once. */
function endExpired(context: Context, pool: Pool, node: Node, charge: Charge, ending: Ending): Result {
  const event = context.state.events[node.eventId ?? -1];
  if (event === undefined) throw new Error(`the expired leaf ${node.id} has no event`);
  const difference = change(event.charge.movements, charge.movements);
  event.charge = charge;
  context.events.push(event.id);
  const seq = bookEvent(context, pool, "corrected", node.id, difference);
  node.status = ending.status;
  node.outRef = ending.outRef ?? null;
  return leafAnswer(pool, node, charge, seq);
}

function leafAnswer(pool: Pool, node: Node, charge: Charge, seq: number): Result {
  return {
    pool_id: pool.id,
    seq,
    spend: usageAnswer(charge.usage),
    violations: violationsOf(node.declared, (channel) => charge.movements.get(channel)?.spent ?? 0n),
  };
}

function releaseHold(pool: Pool, node: Node): void {
  for (const [name, ceiling] of node.declared) {
    const channel = pool.channels.get(name);
    if (channel?.capped === true) channel.reserved -= ceiling;
  }
}

function markEnded(node: Node, ending: Ending, seq: number): void {
  node.status = ending.status;
  node.terminalSeq = seq;
  node.outRef = ending.outRef ?? null;
}

/** What closing a pool did. */
interface Closure {
  readonly answer: Result;
  readonly returned: Record<string, string>;
  readonly committed: ReadonlyMap<string, Amount>;
}

/** Ends the node that owns a pool: closes the pool, and commits in its parent what the pool booked. */
export function endDriver(context: Context, node: Node, ending: Ending): Closure {
  const { state } = context;
  const pool = poolOf(state, node.id);
  require(pool.state !== "closed", "LG004");
  require(!childrenOf(state, pool.id).some(isOpen), "LG007");
  const returned = pool.parentId === null ? {} : roomLeft(pool);
  pool.state = "closed";
  const closedSeq = writeRow(context, pool, "closed", node.id);
  const seq = pool.parentId === null ? closedSeq : handOver(context, pool, node, ending);
  markEnded(node, ending, seq);
  const committed = new Map([...pool.channels].map(([name, channel]) => [name, balanceOf(channel).committed]));
  const answer = {
    pool_id: pool.parentId ?? pool.id,
    seq,
    spend: usageAnswer(usageBelow(state, pool.id)),
    violations: pool.parentId === null ? [] : violationsOf(node.declared, (channel) => committed.get(channel) ?? 0n),
  };
  return { answer, returned, committed };
}

function roomLeft(pool: Pool): Record<string, string> {
  const capped = [...pool.channels.values()].filter((channel) => channel.capped);
  return Object.fromEntries(capped.map((channel) => [channel.name, formatAmount(freeOf(channel))]));
}

function handOver(context: Context, pool: Pool, node: Node, ending: Ending): number {
  const parent = poolOf(context.state, node.poolId ?? "");
  keepNothing(pool);
  releaseHold(parent, node);
  return bookTransfer(context, pool, parent, ending.kind, bookedIn(pool));
}

export function closePool(context: Context, operation: Json): Result {
  const node = context.state.nodes.get(operation.pool_id as string);
  require(node?.ownsPool === true, "LG002");
  const ending: Ending = { status: "done", kind: "settled" };
  const { answer, returned } = endDriver(context, node, ending);
  // Closing is settling: the row it answers with is the one in the pool that held for it.
  return { pool_id: answer.pool_id, seq: answer.seq, returned };
}
