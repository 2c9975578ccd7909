/**
 * A program that uses the client is killed at any moment and started again until it ends: the books are those of one that was
 * never killed. What it held ends by its lease.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, it } from "vitest";
import { advisoryLocks, until } from "../concurrency/sessions.js";
import { chance } from "../setup/chance.js";
import { between, byCallers } from "./random.js";
import { type Tenant, useTenants } from "./tenants.js";
import { POOLS, WORK } from "./workload.js";

const PROGRAM = fileURLToPath(new URL("workload.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SEEDS = [1, 2, 3];
/** Per seed, until it is let run to its end. */
const KILLS = 2;
/** Programs at a time. */
const AT_ONCE = 2;
/** Lines that the work writes. */
const STEPS = WORK.observed + 3 * WORK.children + 2 * WORK.deeds + 4;

const tenants = useTenants();

beforeAll(async () => {
  await tenants.database.pool.query("create table deeds (tenant_id text, id text, primary key (tenant_id, id))");
  await tenants.database.pool.query("grant all on deeds to public");
});

interface Program {
  readonly process: ChildProcess;
  /** Settles with how many steps it made when it has ended. */
  readonly ended: Promise<{ steps: number; done: boolean; complaint: string }>;
}

/** Starts the program; with a number, kills it at that step. */
function start(tenant: Tenant, what: "work" | "hold", killAt = Number.POSITIVE_INFINITY): Program {
  const args = ["--import", "tsx", PROGRAM, tenant.url, tenant.id, what];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  let steps = 0;
  let done = false;
  let complaint = "";
  createInterface({ input: child.stdout }).on("line", (line) => {
    steps += 1;
    done ||= line === "done";
    if (steps >= killAt) child.kill("SIGKILL");
  });
  child.stderr.on("data", (piece) => {
    complaint += piece;
  });
  return { process: child, ended: once(child, "close").then(() => ({ steps, done, complaint })) };
}

/** What is in the books, without the order in which callers came and the time. */
async function books({ id }: Tenant): Promise<unknown> {
  const rows = async (text: string): Promise<unknown[]> => (await tenants.observer.query(text, [id])).rows;
  return {
    journal: await rows(
      `select operation_id, pool_id, kind, node_id, iterations, input_tokens, output_tokens, usd, charged_tokens, outcome
       from ledger.journal where tenant_id = $1 order by operation_id, pool_id`,
    ),
    channels: await rows(
      `select pool_id, channel, total, free, reserved, committed, uncertain
       from ledger.channels where tenant_id = $1 order by pool_id, channel`,
    ),
    nodes: await rows("select node_id, status, outcome from ledger.nodes where tenant_id = $1 order by node_id"),
    refusals: await rows("select operation_id, code from ledger.refusals where tenant_id = $1 order by operation_id"),
    deeds: await rows("select id from deeds where tenant_id = $1 order by id"),
  };
}

it("killed at 6 random moments and started again, it ends with the rows of a run that was never killed", async () => {
  const undisturbed = await tenants.tenant();
  expect(await start(undisturbed, "work").ended).toMatchObject({ done: true, complaint: "" });
  const expected = await books(undisturbed);
  expect(expected).toMatchObject({ deeds: { length: WORK.deeds }, refusals: { length: 4 } });

  const plays: { tenant: Tenant; seed: number }[] = [];
  for (const seed of SEEDS) plays.push({ tenant: await tenants.tenant(), seed });
  const killedAt: number[] = [];
  await byCallers(AT_ONCE, plays, async ({ tenant, seed }) => {
    const random = chance(seed);
    for (let kill = 1; kill <= KILLS; kill++) {
      const killed = await start(tenant, "work", between(random, 1, STEPS - 20)).ended;
      expect(killed).toMatchObject({ done: false, complaint: "" });
      killedAt.push(killed.steps);
    }
    expect(await start(tenant, "work").ended).toMatchObject({ done: true, complaint: "" });
    expect(await books(tenant)).toEqual(expected);
  });
  console.log(`killed after ${killedAt.sort((one, other) => one - other).join(", ")} of ${STEPS} steps`);
  await until(async () => (await advisoryLocks(tenants.observer)).length === 0, "nothing is locked");
}, 120_000);

it("what a killed program held is renewed while it lives, by nobody after, and ends by its lease", async () => {
  const tenant = await tenants.tenant();
  const program = start(tenant, "hold");
  const renewals = async (): Promise<number> => {
    const { rows } = await tenants.observer.query<{ count: number }>(
      "select count(*)::int as count from ledger.journal where tenant_id = $1 and kind = 'extended'",
      [tenant.id],
    );
    return rows[0]?.count ?? 0;
  };
  // Far longer than one lease.
  await until(async () => (await renewals()) >= 6, "the lease is renewed", 30_000);
  expect(await heldNode(tenant)).toEqual({ status: "pending", lapsed: false });
  program.process.kill("SIGKILL");
  await program.ended;
  // Another program of the tenant lives, and does not renew what is not its own.
  const other = tenant.ledger();
  await other.pool(POOLS[0]).observe({ input_tokens: 1, output_tokens: 0 });
  await until(async () => (await heldNode(tenant))?.lapsed === true, "the lease has passed");
  const before = await renewals();
  const [answer] = await other.apply([{ op: "expire", operation_id: "sweep", pool_id: POOLS[0] }]);
  expect(answer?.result.expired).toMatchObject([{ node_id: "held" }]);
  expect(await heldNode(tenant)).toEqual({ status: "expired", lapsed: false });
  expect(await renewals()).toBe(before);
  expect(await other.pool(POOLS[0]).readout()).toMatchObject({ tokensLeft: 999, reservedTokens: 0 });
}, 60_000);

async function heldNode({ id }: Tenant): Promise<{ status: string; lapsed: boolean } | undefined> {
  const text = "select status, lapsed from ledger.nodes where tenant_id = $1 and node_id = 'held'";
  return (await tenants.observer.query<{ status: string; lapsed: boolean }>(text, [id])).rows[0];
}
