/** The trees in which two operations meet, and the operations themselves. */
import type { Client } from "pg";
import { type Operation, spendOf, submit } from "./operations.js";
import type { Pair, Place, Verb } from "./pairs.js";
import { until } from "./sessions.js";

/** Two operations, and what has to be there before them. */
export interface Meeting {
  readonly setup: readonly Operation[];
  readonly first: Operation;
  readonly second: Operation;
  /** Nodes whose lease has to pass first. */
  readonly lapsing: readonly string[];
}

/** The pools on which the first and the second operation act. */
const POOLS: Readonly<Record<Place, readonly [string, string]>> = {
  "one pool": ["root", "root"],
  "parent, then child": ["root", "left"],
  "child, then parent": ["left", "root"],
  "two children of one payer": ["left", "right"],
};

const SHORTEST_LEASE_MS = 1;
const CHILD_TOKENS = 100;
const ROOT_FREE_TOKENS = 100;
const LEAF_TOKENS = 30;

/** Amounts are chosen so that the first operation makes a second one of another kind fit, or fit no longer. */
const AMOUNTS = { first: 20, second: 90 };

function operation(verb: Verb, poolId: string, amount: number, settled: string): Operation {
  const reason: Readonly<Record<Verb, Operation>> = {
    spawn: { pool_id: poolId, label: "new", budget: { tokens: amount } },
    settle:
      settled === poolId ? { node_id: `${poolId}-leaf` } : { node_id: settled },
    meter: { pool_id: poolId, spend: spendOf(50, "11") },
    fund: { pool_id: poolId, amounts: { tokens: -amount } },
    expire: { pool_id: poolId },
    close_pool: { pool_id: poolId },
  };
  return { op: verb, ...reason[verb] };
}
