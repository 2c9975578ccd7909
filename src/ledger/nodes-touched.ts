/**
 * What operations do to nodes. A call that makes some and a call that ends some conflict in the database, also where neither names
 * what the other does (they read and write the same pages of an index), and one that does both conflicts with either. So unrelated
 * pools share a call only where it does not do both. Within a pool both go together, because its order is kept.
 */
import type { Outgoing } from "./canonical.js";

/** What of an operation the queue looks at. */
export type Named = Omit<Outgoing, "text">;

/** All that operations can do, those first that others are more likely to be able to join. */
export const NODES = ["makes", "ends", "neither", "both"] as const;

export type Nodes = (typeof NODES)[number];

const MAKE: ReadonlySet<string> = new Set(["open_pool", "spawn"]);

/** They find no node by its key. Of what is not known here the worst is assumed. */
const LEAVE: ReadonlySet<string> = new Set(["meter", "fund", "freeze", "thaw", "judge"]);

/** What these do. */
export function nodesTouched(operations: readonly Named[]): Nodes {
  let nodes: Nodes = "neither";
  for (const operation of operations) nodes = together(nodes, touchedBy(operation));
  return nodes;
}

function touchedBy({ op, node_id }: Named): Nodes {
  if (MAKE.has(op)) return "makes";
  // A driver's own call is dispatched in its pool.
  return LEAVE.has(op) || (op === "dispatch" && node_id === undefined) ? "neither" : "ends";
}

/** What both do. */
export function together(one: Nodes, other: Nodes): Nodes {
  if (one === other || other === "neither") return one;
  return one === "neither" ? other : "both";
}

/** Whether strangers that do this may join a call that does that. */
export function compatible(call: Nodes, joining: Nodes): boolean {
  return joining === "neither" || (joining !== "both" && together(call, joining) !== "both");
}
