/** The trees in which two operations meet, and the operations themselves. */
import type { Client } from "pg";
import { type Operation, spendOf, submit } from "./operations.js";
import type { Place, Verb } from "./pairs.js";
import { until } from "./sessions.js";

/** Two operations, and what has to be there before them. */
export interface Meeting {
  readonly setup: readonly Operation[];
  readonly first: Operation;
  readonly second: Operation;
}

/** The pools on which the first and the second operation act. */
const POOLS: Readonly<Record<Place, readonly [string, string]>> = {
  "one pool": ["root", "root"],
  "parent, then child": ["root", "left"],
  "child, then parent": ["left", "root"],
  "two children of one payer": ["left", "right"],
};

/** What the two ask for: together more than the 100 tokens that are free, each alone not. */
const TOKENS = { first: 20, second: 90 };

/** Plans a meeting. Ids of operations are fixed, so that two tenants can be compared. */
export function meetingAt(place: Place, first: Verb, second: Verb): Meeting {
  const [firstPool, secondPool] = POOLS[place];
  const act = (verb: Verb, poolId: string, tokens: number): Operation =>
    verb === "settle" && poolId === "root" && place !== "one pool"
      ? { op: verb, node_id: "left", outcome: "done" }
      : operationOn(verb, poolId, tokens);
  return {
    setup: setupOf(place, {
      [firstPool]: [first],
      [secondPool]: firstPool === secondPool ? [first, second] : [second],
    }),
    first: { operation_id: "first", ...act(first, firstPool, TOKENS.first) },
    second: { operation_id: "second", ...act(second, secondPool, TOKENS.second) },
  };
}

/** An operation on a pool, or on the leaf of `leafFor`. */
export function operationOn(verb: Verb, poolId: string, tokens: number): Operation {
  switch (verb) {
    case "spawn":
      return { op: verb, pool_id: poolId, label: "new", budget: { tokens } };
    case "settle":
      return { op: verb, node_id: `${poolId}-leaf`, outcome: "done", spend: spendOf(5, "1", 1) };
    case "meter":
      return { op: verb, pool_id: poolId, spend: spendOf(50, "11") };
    case "fund":
      return { op: verb, pool_id: poolId, amounts: { tokens: -tokens } };
    default:
      return { op: verb, pool_id: poolId };
  }
}

/** The leaf of 30 tokens that some of these operations on a pool need; its lease passes at once if one expires it. */
export function leafFor(poolId: string, verbs: readonly Verb[]): Operation[] {
  if (!verbs.some((verb) => verb === "settle" || verb === "expire")) return [];
  const spawn = { op: "spawn", pool_id: poolId, node_id: `${poolId}-leaf`, label: "leaf", budget: { tokens: 30 } };
  return [{ ...spawn, ...lease(verbs.includes("expire")) }];
}

/** Makes the tenant and plays the setup, until every lease in it has passed. */
export async function prepare(client: Client, tenantId: string, setup: readonly Operation[]): Promise<void> {
  await client.query("select ledger.create_tenant($1)", [tenantId]);
  const answers = await submit(client, tenantId, setup);
  const failed = answers.filter(({ status }) => status !== "ok");
  if (failed.length > 0) throw new Error(`the setup failed: ${JSON.stringify(failed)}`);
  const leased = setup.filter(({ lease_ms }) => lease_ms !== undefined).map(({ node_id }) => node_id);
  if (leased.length === 0) return;
  await until(async () => {
    const { rows } = await client.query(
      "select from ledger.nodes where tenant_id = $1 and node_id = any ($2) and not lapsed",
      [tenantId, leased],
    );
    return rows.length === 0;
  }, "the leases pass");
}

/**
 * The root has dollars that its children do not declare, and 100 tokens beside what they hold. What is settled or
 * expired in a pool is a leaf; at a root with children it is the child that the other operation acts on.
 */
function setupOf(place: Place, verbs: Readonly<Record<string, readonly Verb[]>>): Operation[] {
  const children = Object.keys(verbs).filter((poolId) => poolId !== "root");
  const withLeaf = place === "one pool" ? ["root"] : children;
  const channels = { tokens: { total: 100 + 100 * children.length }, usd: { total: "10" } };
  return [
    { op: "open_pool", pool_id: "root", channels },
    ...children.map((node_id) => ({
      ...{ op: "spawn", pool_id: "root", node_id, label: node_id, driver: true, budget: { tokens: 100 } },
      ...lease(verbs.root?.includes("expire") === true),
    })),
    ...withLeaf.flatMap((poolId) => leafFor(poolId, verbs[poolId] ?? [])),
  ].map((operation, index) => ({ operation_id: `setup-${index}`, ...operation }));
}

function lease(lapsing: boolean): Operation {
  return lapsing ? { lease_ms: 1 } : {};
}
