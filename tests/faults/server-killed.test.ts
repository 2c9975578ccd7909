/**
 * The server is killed in the midst of batches, several times. What was acknowledged is there, what is asked again is
 * booked once, and nothing stays locked.
 */
import { afterAll, beforeAll, expect, inject, it } from "vitest";
import { connect } from "../../src/database/connect.js";
import { migrateToCurrent } from "../../src/database/migrate.js";
import { withId } from "../concurrency/operations.js";
import { advisoryLocks, audit } from "../concurrency/sessions.js";
import { PATIENCE_MS, STRESS } from "../concurrency/stress.js";
import { balance, plant } from "../concurrency/trees.js";
import { startServer, type TestServer } from "../setup/server.js";
import { BOOKED_PER_BATCH, batchesOf, HELD_PER_BATCH, type Hearing, type Told, tell } from "./load.js";

const CLIENTS = ["a", "b", "c", "d"];
const BATCHES = 25 * STRESS;
const DRIVER_TOKENS = BATCHES * BOOKED_PER_BATCH.driverTokens + HELD_PER_BATCH;
const KILLS = 3 * STRESS;

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ version: inject("postgres").major === 15 ? "15" : "embedded" });
  await migrateToCurrent(server.url);
  const client = await connect(server.url);
  await plant(client, "t", [
    withId({
      ...{ op: "open_pool", pool_id: "root" },
      channels: { tokens: { total: 2 * CLIENTS.length * DRIVER_TOKENS }, usd: { total: "100" } },
    }),
    ...CLIENTS.map((node_id) =>
      withId({
        ...{ op: "spawn", pool_id: "root", node_id, label: node_id, driver: true },
        budget: { tokens: DRIVER_TOKENS },
      }),
    ),
  ]);
  await client.end();
}, PATIENCE_MS);
afterAll(() => server?.stop());

/** Tells everything from the beginning; with a number, kills the server at that many answers. */
async function tellAll(batches: readonly (readonly Told[])[], killAt = Number.POSITIVE_INFINITY): Promise<Hearing[]> {
  let answers = 0;
  let killed: Promise<void> | undefined;
  const onAnswer = (): void => {
    answers += 1;
    if (answers === killAt) killed = server.kill9();
  };
  const hearings = await Promise.all(batches.map((list) => tell(server.url, "t", list, onAnswer)));
  await killed;
  return hearings;
}

it(
  "books every batch exactly once, whatever was heard of it",
  async () => {
    const batches = CLIENTS.map((driver) => batchesOf(driver, BATCHES));
    const total = CLIENTS.length * BATCHES;
    for (let kill = 1; kill <= KILLS; kill++) {
      const hearings = await tellAll(batches, Math.floor((total * kill) / (KILLS + 1)));
      expect(hearings.flatMap(({ complaints }) => complaints)).toEqual([]);
      expect(hearings.some(({ answered }) => answered < BATCHES)).toBe(true);
      await server.restart();
    }
    const unheard = batches.flat().filter(({ heard }) => heard === undefined).length;
    const hearings = await tellAll(batches);
    expect(hearings).toEqual(CLIENTS.map(() => ({ answered: BATCHES, complaints: [] })));
    console.log(
      `server killed ${KILLS} times: ${total - unheard} of ${total} batches were acknowledged before the last pass`,
    );

    const client = await connect(server.url);
    expect(await advisoryLocks(client)).toEqual([]);
    expect(await audit(client, "t")).toEqual([]);
    const { rows } = await client.query(
      `select count(*)::int as rows, count(distinct operation_id)::int as operations from ledger.journal
       where tenant_id = 't' and operation_id like '_/%' and source_pool_id is null`,
    );
    expect(rows).toEqual([{ rows: total * 5, operations: total * 5 }]);
    for (const driver of CLIENTS) {
      const booked = BATCHES * BOOKED_PER_BATCH.driverTokens;
      const tokens = [DRIVER_TOKENS, DRIVER_TOKENS - booked, 0, booked].map(String);
      expect(await balance(client, "t", driver, "tokens")).toEqual(tokens);
    }
    const [, , , rootTokens] = await balance(client, "t", "root", "tokens");
    const [, , , rootUsd] = await balance(client, "t", "root", "usd");
    expect(rootTokens).toBe(String(total * BOOKED_PER_BATCH.rootTokens));
    expect(Number(rootUsd) * 1_000).toBeCloseTo(total * BOOKED_PER_BATCH.milliDollars, 9);
    await client.end();
  },
  PATIENCE_MS,
);
