/**
 * Every acceptance vector through the client: batches cut into single calls that are not waited for, several scenarios at once,
 * and others metering beside them all the time. Grouping must change no answer and no order.
 */
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Ledger } from "../../src/ledger/ledger.js";
import type * as Protocol from "../../src/ledger/protocol.js";
import { chance } from "../setup/chance.js";
import { createLoginRole } from "../setup/database.js";
import { regroup } from "../vectors/regroup.js";
import { ledgerScenarios } from "../vectors/scenarios.js";
import { SqlEngine } from "../vectors/sql-engine.js";
import { type Answer, type Operation, runScenario, type Scenario } from "../vectors/steps.js";
import { byCallers } from "./random.js";
import { type Tenant, useTenants } from "./tenants.js";

const AT_ONCE = 6;
const NOISY_CALLERS = 3;
const NOISE = "noise";
const NOISE_PAUSE_MS = 20;
/** More would only make the audits longer. */
const NOISE_MOST = 150;

const tenants = useTenants();
/** An application's own, for all tenants at once. */
let shared: pg.Pool;

beforeAll(async () => {
  const platform = await createLoginRole(tenants.database, { memberOf: "ledger_writer", tenantId: "*" });
  shared = new pg.Pool({ connectionString: platform });
});
afterAll(() => shared?.end());

/** Answers through the client's `apply`. */
class ClientEngine extends SqlEngine {
  readonly #ledger: Ledger;
  readonly #random: () => number;

  constructor(ledger: Ledger, random: () => number) {
    // A pool answers queries as one connection does.
    super(shared as unknown as pg.ClientBase, ledger.tenantId, "submit");
    this.#ledger = ledger;
    this.#random = random;
  }

  override async apply(operations: readonly Operation[], { atomic }: { atomic: boolean }): Promise<Answer[]> {
    const batch = operations as readonly Protocol.Operation[];
    const ask = async (asked: readonly Protocol.Operation[]): Promise<Answer[]> =>
      (await this.#ledger.apply(asked, { atomic })).map((answer) => ({ ...answer, result: { ...answer.result } }));
    if (atomic) return ask(batch);
    const answers: Promise<Answer[]>[] = [];
    for (const [index, operation] of batch.entries()) {
      const previous = batch[index - 1];
      // Order is promised within a lane only; elsewhere, and now and then, the caller waits for what it asked before.
      if (previous && (!shareLane(previous, operation) || this.#random() < 0.2)) await Promise.all(answers);
      answers.push(ask([operation]));
    }
    return (await Promise.all(answers)).map(([answer], position) => ({ ...(answer as Answer), position }));
  }
}

/** Whether both name one pool or node. */
function shareLane(one: Operation, other: Operation): boolean {
  const names = ({ pool_id, parent_pool_id, run_id, node_id }: Operation): unknown[] =>
    [pool_id, parent_pool_id, run_id, node_id].filter((name) => name !== undefined);
  return names(one).some((name) => names(other).includes(name));
}

/** Others of the same tenant on a pool of their own, until they are told to stop; answers how often they metered. */
function startNoise(ledger: Ledger, random: () => number): () => Promise<number> {
  let metered = 0;
  let stopped = false;
  const pool = ledger.openPool({ tokens: 10 }, { poolId: NOISE });
  const call = async (): Promise<void> => {
    while (!stopped && metered < NOISE_MOST) {
      metered += 1;
      const options = { operationId: `${NOISE}/${metered}` };
      await (await pool).observe({ input_tokens: 1, output_tokens: 1, usd: "0.01" }, options);
      await pause(random() * NOISE_PAUSE_MS);
    }
  };
  const calls = Promise.all(Array.from({ length: NOISY_CALLERS }, call));
  return async () => {
    stopped = true;
    await calls;
    return metered;
  };
}

/** Plays one scenario in a tenant of its own; answers what does not hold. */
async function play(scenario: Scenario, ledger: Ledger, random: () => number): Promise<unknown[]> {
  const engine = new ClientEngine(ledger, random);
  const stopNoise = startNoise(ledger, random);
  const failure = await runScenario(scenario, engine).catch((error: unknown) => error);
  const metered = await stopNoise();
  const [noise] = await engine.rows(
    `select count(*)::int as rows, count(distinct operation_id)::int as operations, sum(charged_tokens)::int as tokens
     from ledger.journal where tenant_id = $1 and pool_id = $2 and kind = 'metered'`,
    NOISE,
  );
  const wrong: unknown[] = failure === undefined ? [] : [failure];
  const { rows, operations, tokens } = noise ?? {};
  if (rows !== metered || operations !== metered || tokens !== 2 * metered) wrong.push({ metered, ...noise });
  return wrong.map((found) => `${scenario.id}: ${found instanceof Error ? found.message : JSON.stringify(found)}`);
}

describe.each([
  { seed: 1, connections: "of each ledger's own" },
  { seed: 2, connections: "of one pool of the application's" },
])("cut with seed $seed, on connections $connections", ({ seed, connections }) => {
  it("every other scenario holds", async () => {
    const random = chance(seed);
    const failures: unknown[] = [];
    const plays: { scenario: Scenario; tenant: Tenant }[] = [];
    // Each is played on one kind of connections: what differs between the two is how they are lent, whatever they carry.
    const scenarios = ledgerScenarios().filter((_, place) => place % 2 === seed % 2);
    for (const scenario of scenarios) plays.push({ scenario, tenant: await tenants.tenant() });
    await byCallers(AT_ONCE, plays, async ({ scenario, tenant }) => {
      const ledger = connections.startsWith("of one") ? tenant.ledger({ pool: shared }) : tenant.ledger();
      failures.push(...(await play(regroup(scenario, seed), ledger, random)));
      await ledger.close();
      // What the server would do by itself after a minute: audits are planned by what is known of the tables.
      if (random() < 0.2) await tenants.database.pool.query("analyze");
    });
    expect(failures).toEqual([]);
  }, 120_000);
});

it("a request the database cannot read spoils no other that shares its call", async () => {
  const ledger = (await tenants.tenant()).ledger();
  await ledger.openPool({ tokens: 100 }, { poolId: "p" });
  const meter = (operation_id: string, detail: unknown): Protocol.Operation => {
    const spend = { iterations: 0, input_tokens: 1, output_tokens: 0, usd: "0" };
    return { op: "meter", operation_id, pool_id: "p", spend, detail };
  };
  const details = ["a", "b\u0000", "c", "\ud800", "e"];
  const told = await Promise.all(
    details.map((detail, index) =>
      ledger.apply([meter(`m${index}`, detail)]).then(
        ([answer]) => answer?.status,
        (error) => [error.name, error.code, error.retryable],
      ),
    ),
  );
  expect(told.filter((_, index) => index % 2 === 0)).toEqual(["ok", "ok", "ok"]);
  expect(told[1]).toEqual([expect.any(String), "22P05", false]);
  expect(told[3]).toEqual([expect.any(String), "22P02", false]);
  expect(await ledger.pool("p").readout()).toMatchObject({ tokensLeft: 97 });
});
