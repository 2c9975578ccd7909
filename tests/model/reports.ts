/**
 * Reading: where spend was made, and what it adds up to.
 */
import type { Amount } from "./amounts.js";
import { childrenOf, type Node, nodeOf, type SpendEvent, type State, type Usage } from "./state.js";
import { sumOfUsage } from "./usage.js";

/** Usage with the uncertain part of what was charged for it. */
export interface Report {
  readonly usage: Usage;
  readonly uncertainTokens: Amount;
  readonly uncertainIterations: Amount;
  readonly uncertainUsd: Amount;
}

/** A node of a run, with what it spent itself and what it and all below it spent. */
export interface TrajectoryRow {
  readonly node: Node;
  readonly depth: number;
  readonly own: Report;
  readonly rolledUp: Report;
}

/** The run's nodes, parents before children. */
export function trajectoryOf(state: State, runId: string): TrajectoryRow[] {
  const walk = (node: Node, depth: number): TrajectoryRow[] => [
    {
      node,
      depth,
      own: reportOf(ownEvents(state, node)),
      rolledUp: reportOf(eventsBelow(state, node)),
    },
    ...childrenOf(state, node.ownsPool ? node.id : "").flatMap((child) => walk(child, depth + 1)),
  ];
  return walk(nodeOf(state, runId), 0);
}

/** Spend metered by drivers, spend settled by leaves, and their sum. */
export function breakdownOf(state: State, runId: string): Record<string, Report> {
  const events = eventsBelow(state, nodeOf(state, runId));
  return {
    driver_inference: reportOf(events.filter(({ nodeId }) => nodeId === null)),
    child_work: reportOf(events.filter(({ nodeId }) => nodeId !== null)),
    total: reportOf(events),
  };
}

/** What a pool and everything below it spent. */
export function usageBelow(state: State, poolId: string): Usage {
  return reportOf(eventsBelow(state, nodeOf(state, poolId))).usage;
}

/** A driver's own spend is what it metered; a leaf's what it settled. */
function ownEvents(state: State, node: Node): SpendEvent[] {
  return state.events.filter(({ poolId, nodeId }) =>
    node.ownsPool ? poolId === node.id && nodeId === null : nodeId === node.id,
  );
}

/** All events in the pool of a node and below, or the one of a leaf. */
export function eventsBelow(state: State, node: Node): SpendEvent[] {
  const children = node.ownsPool ? childrenOf(state, node.id) : [];
  return [...ownEvents(state, node), ...children.flatMap((child) => eventsBelow(state, child))];
}

function reportOf(events: readonly SpendEvent[]): Report {
  const uncertain = (channel: string) =>
    events.reduce((sum, { charge }) => sum + (charge.movements.get(channel)?.uncertain ?? 0n), 0n);
  return {
    usage: sumOfUsage(events.map(({ charge }) => charge.usage)),
    uncertainTokens: uncertain("tokens"),
    uncertainIterations: uncertain("iterations"),
    uncertainUsd: uncertain("usd"),
  };
}
