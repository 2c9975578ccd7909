/**
 * Leases: whose has passed, and what becomes of the hold.
 */
import { type Amount, formatAmount } from "./amounts.js";
import { require } from "./faults.js";
import { endDriver, endLeaf, silentCharge } from "./settling.js";
import { type Context, childrenOf, isOpen, type Node, nodeOf, type Pool, poolOf, type State } from "./state.js";
import type { Json } from "./values.js";

/** A hold that `expire` ended, and what it was charged. */
interface Expired {
  readonly node_id: string;
  readonly charged: Record<string, string>;
}

/** A hold's lease is its own, else that of the nearest driver above, else none. */
function leaseOf(state: State, node: Node): number | null {
  for (let holder = node; ; holder = nodeOf(state, holder.poolId)) {
    if (holder.leaseUntil !== null) return holder.leaseUntil;
    if (holder.poolId === null) return null;
  }
}

/** Whether the lease of an open hold has passed. */
export function isLapsed(state: State, node: Node, at: number): boolean {
  if (!isOpen(node) || node.poolId === null) return false;
  const lease = leaseOf(state, node);
  return lease !== null && lease <= at;
}

/** Gives back the room of all lapsed leaves of the pool that were never dispatched. */
export function expireForgotten(context: Context, pool: Pool): void {
  for (const node of childrenOf(context.state, pool.id)) {
    const forgotten = !node.ownsPool && node.status === "pending";
    if (forgotten && isLapsed(context.state, node, context.at)) {
      // Not reachable by `correct`: the operation at work is the spawn that wanted the room.
      const ending = { status: "expired", kind: "expired" } as const;
      endLeaf({ ...context, events: [] }, pool, node, silentCharge(node), ending);
    }
  }
}

export function expire(context: Context, operation: Json): Record<string, unknown> {
  const { state } = context;
  const asked = (operation.pool_id as string | undefined) ?? null;
  if (asked === null) {
    const ids = [...state.pools.keys()].sort();
    const expired = ids.flatMap((id) => expireIn(context, poolOf(state, id)));
    return { pool_id: null, seq: null, expired };
  }
  const pool = state.pools.get(asked);
  require(pool !== undefined, "LG002");
  const before = pool.seq;
  const expired = expireIn(context, pool);
  return { pool_id: pool.id, seq: pool.seq > before ? pool.seq : null, expired };
}

/** Ends the lapsed holds of a pool, and before a lapsed driver everything below it. */
function expireIn(context: Context, pool: Pool): Expired[] {
  const { state, at } = context;
  return childrenOf(state, pool.id)
    .filter((node) => isLapsed(state, node, at))
    .flatMap((node) => (node.ownsPool ? expireDriver(context, node) : [expireLeaf(context, pool, node)]));
}

function expireLeaf(context: Context, pool: Pool, node: Node): Expired {
  const charge = silentCharge(node);
  endLeaf(context, pool, node, charge, { status: "expired", kind: "expired" });
  const spent = [...charge.movements].map(([name, movement]) => [name, movement.spent] as const);
  return { node_id: node.id, charged: chargedOn(spent) };
}

/** A driver that still holds for a child with a longer lease is left alone. */
function expireDriver(context: Context, node: Node): Expired[] {
  const { state } = context;
  const below = expireIn(context, poolOf(state, node.id));
  if (childrenOf(state, node.id).some(isOpen)) return below;
  const { committed } = endDriver(context, node, { status: "down", kind: "settled" });
  return [...below, { node_id: node.id, charged: chargedOn(committed) }];
}

function chargedOn(spent: Iterable<readonly [string, Amount]>): Record<string, string> {
  return Object.fromEntries(
    [...spent].filter(([, amount]) => amount !== 0n).map(([name, amount]) => [name, formatAmount(amount)]),
  );
}
