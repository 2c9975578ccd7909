/**
 * What nobody reported: calls announced and not metered, children that are open, usage that is unknown.
 */
import { byChannel } from "./channels.js";
import { eventsBelow } from "./reports.js";
import { type Announced, childrenOf, isOpen, type Node, nodeOf, poolOf, type SpendEvent, type State } from "./state.js";

/** A row of `ledger.spend_gaps`, but for its run. */
export interface Gap {
  readonly node_id: string;
  readonly gap: "never-settled" | "unreported";
  readonly channels: readonly string[];
}

/** The run's calls in doubt, each as it was announced first. */
export function callsInDoubt(state: State, runId: string): Announced[] {
  const metered = new Set(
    state.journal.filter(({ kind }) => kind === "metered").map(({ poolId, operationId }) => `${poolId} ${operationId}`),
  );
  const seen = new Set<string>();
  return state.announced.filter(({ poolId, meterId }) => {
    const call = `${poolId} ${meterId}`;
    if (metered.has(call) || seen.has(call) || poolOf(state, poolId).runId !== runId) return false;
    seen.add(call);
    return true;
  });
}

/** The run's gaps, at most one of each kind per node. */
export function gapsOf(state: State, runId: string): Gap[] {
  const doubtful = new Set(callsInDoubt(state, runId).map(({ poolId }) => poolId));
  const events = eventsBelow(state, nodeOf(state, runId));
  const gapOf = (node: Node): Gap[] => {
    const own = events.filter(({ poolId, nodeId }) => (nodeId ?? poolId) === node.id);
    const inDoubt = doubtful.has(node.id);
    const tokens = inDoubt || own.some(({ charge }) => !charge.usage.tokensKnown);
    const usd = inDoubt || own.some(isSilentOnDollars);
    const channels = [...(tokens ? ["tokens"] : []), ...(usd ? ["usd"] : [])];
    return [
      ...(node.id === runId ? [] : unsettled(state, node)),
      ...(channels.length === 0 ? [] : [{ node_id: node.id, gap: "unreported" as const, channels }]),
    ];
  };
  const walk = (node: Node): Gap[] => [
    ...gapOf(node),
    ...(node.ownsPool ? childrenOf(state, node.id).flatMap(walk) : []),
  ];
  return walk(nodeOf(state, runId));
}

/** No dollars were charged, or the ceiling was; an estimate of just that much looks the same. */
function isSilentOnDollars({ nodeId, declared, charge: { usage } }: SpendEvent): boolean {
  return !usage.usdKnown && (usage.usd === null || (nodeId !== null && usage.usd === declared.get("usd")));
}

/** Where the node is open and may have cost something. */
function unsettled(state: State, node: Node): Gap[] {
  const pool = poolOf(state, node.poolId ?? "");
  const held = [...node.declared]
    .filter(([name, ceiling]) => ceiling > 0n && pool.channels.get(name)?.capped === true)
    .map(([name]) => name)
    .sort(byChannel);
  if (!isOpen(node) || (held.length === 0 && !node.ownsPool && !node.wasDispatched)) return [];
  return [{ node_id: node.id, gap: "never-settled", channels: held.length > 0 ? held : ["tokens", "usd"] }];
}
