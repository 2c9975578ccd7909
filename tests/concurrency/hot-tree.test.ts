/**
 * Drivers of one root at work, each in a pool of its own, all drawing their dollars from the root: the locks put their
 * calls in a row, and no call fails for having stood in it.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { BOOKED_PER_BATCH, batchesOf, HELD_PER_BATCH } from "../faults/load.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { sqlState, withId } from "./operations.js";
import { audit, openSession, type Session } from "./sessions.js";
import { PATIENCE_MS, STRESS } from "./stress.js";
import { balance, plant } from "./trees.js";

const DRIVERS = ["a", "b", "c", "d", "e", "f"];
const BATCHES = 25 * STRESS;
const DRIVER_TOKENS = BATCHES * BOOKED_PER_BATCH.driverTokens + HELD_PER_BATCH;

let database: TestDatabase;
let sessions: readonly Session[];

beforeAll(async () => {
  database = await createTestDatabase();
  sessions = await Promise.all(DRIVERS.map(() => openSession(database)));
  await plant(await database.connect(), "t", [
    withId({
      ...{ op: "open_pool", pool_id: "root" },
      channels: { tokens: { total: 2 * DRIVERS.length * DRIVER_TOKENS }, usd: { total: "1000" } },
    }),
    ...DRIVERS.map((node_id) =>
      withId({
        ...{ op: "spawn", pool_id: "root", node_id, label: node_id, driver: true },
        budget: { tokens: DRIVER_TOKENS },
      }),
    ),
  ]);
});
afterAll(() => database?.drop());

/** Submits the batches of one driver; answers how calls failed, and goes on after a failure. */
async function work(session: Session, driver: string): Promise<string[]> {
  const failures: string[] = [];
  for (const { operations } of batchesOf(driver, BATCHES)) {
    const submitting = session.submit("t", operations);
    const answers = await submitting.catch((error) => {
      failures.push(`${sqlState(error)} ${(error as { detail?: string }).detail}`);
      return session.submit("t", operations);
    });
    expect(answers.map(({ status }) => status)).toEqual(operations.map(() => "ok"));
  }
  return failures;
}

it(
  "fails no submit",
  async () => {
    const startedAt = performance.now();
    const failures = await Promise.all(sessions.map((session, index) => work(session, DRIVERS[index] as string)));
    const perSecond = Math.round((DRIVERS.length * BATCHES * 1_000) / (performance.now() - startedAt));
    console.log(
      `hot tree: ${perSecond} batches/s, ${failures.flat().length} failures in ${DRIVERS.length * BATCHES} calls`,
    );
    expect(failures.flat()).toEqual([]);
    const observer = await database.connect();
    const [, , , tokens] = await balance(observer, "t", "root", "tokens");
    expect(tokens).toBe(String(DRIVERS.length * BATCHES * BOOKED_PER_BATCH.rootTokens));
    expect(await audit(observer, "t")).toEqual([]);
  },
  PATIENCE_MS,
);
