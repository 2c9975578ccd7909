/** One operation id from two sessions at once: it is booked once, and both learn the same answer. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { type Answer, type Operation, spendOf, sqlState, withId } from "./operations.js";
import { audit, openSession, type Session, untilWaiting } from "./sessions.js";
import { balance, openRoot, plant } from "./trees.js";

const MOST_RETRIES = 3;
const ROUNDS = 30;

let database: TestDatabase;
let one: Session;
let other: Session;
let observer: Session;

beforeAll(async () => {
  database = await createTestDatabase();
  [one, other, observer] = await Promise.all([openSession(database), openSession(database), openSession(database)]);
});
afterAll(() => database?.drop());

const meter = (pool_id: string): Operation => withId({ op: "meter", pool_id, spend: spendOf(7) });
const secondRoot = withId({ op: "open_pool", pool_id: "elsewhere", channels: { tokens: { total: 1_000 } } });

/** Submits, and again after 40001: answers and the number of repetitions. */
async function submitPatiently(session: Session, tenantId: string, operation: Operation): Promise<[Answer, number]> {
  for (let retries = 0; ; retries++) {
    try {
      const [answer] = await session.submit(tenantId, [operation]);
      return [answer as Answer, retries];
    } catch (error) {
      if (sqlState(error) !== "40001" || retries === MOST_RETRIES) throw error;
    }
  }
}

describe("on the same pool", () => {
  it.each([
    ["commits", "commit", "replayed"],
    ["rolls back", "rollback", "ok"],
  ] as const)("the second waits; when the first %s it is %s", async (name, ending, status) => {
    await plant(observer.client, name, [openRoot()]);
    const operation = meter("root");
    await one.begin();
    const [first] = await one.apply(name, [operation]);
    const second = other.submit(name, [operation]);
    await untilWaiting(observer.client, other.pid);
    await one.end(ending);
    expect(first).toMatchObject({ status: "ok", result: { pool_id: "root", seq: 2 } });
    expect(await second).toEqual([{ ...first, status }]);
    expect(await balance(observer.client, name, "root", "tokens")).toEqual(["1000", "993", "0", "7"]);
    expect(await audit(observer.client, name)).toEqual([]);
  });

  it("a refusal is replayed as well", async () => {
    await plant(observer.client, "refused", [openRoot()]);
    const operation = withId({ op: "spawn", pool_id: "root", label: "too much", budget: { tokens: 2_000, usd: "1" } });
    await one.begin();
    const [first] = await one.apply("refused", [operation]);
    const second = other.submit("refused", [operation]);
    await untilWaiting(observer.client, other.pid);
    await one.end("commit");
    expect(first).toMatchObject({ status: "refused", code: "budget-exhausted" });
    expect(await second).toEqual([{ ...first, status: "replayed" }]);
    expect(await audit(observer.client, "refused")).toEqual([]);
  });

  it("of two submits at once one is ok and the other replayed, without a retry", async () => {
    await plant(observer.client, "at once", [openRoot()]);
    for (let round = 0; round < ROUNDS; round++) {
      const operation = meter("root");
      const answers = await Promise.all([one, other].map((session) => session.submit("at once", [operation])));
      expect(answers.map(([answer]) => answer?.status).sort()).toEqual(["ok", "replayed"]);
      expect(answers[0]?.[0]?.result).toEqual(answers[1]?.[0]?.result);
    }
    expect(await balance(observer.client, "at once", "root", "tokens")).toEqual(["1000", "790", "0", "210"]);
    expect(await audit(observer.client, "at once")).toEqual([]);
  });
});

describe("on pools that have nothing in common", () => {
  it.each([
    ["commits", "commit", { status: "error", code: "LG005" }, 1],
    ["rolls back", "rollback", { status: "ok", code: null }, 0],
  ] as const)("the second meets the id alone; when the first %s", async (name, ending, expected, retries) => {
    const tenantId = `apart ${name}`;
    await plant(observer.client, tenantId, [openRoot(), secondRoot]);
    const operation = meter("root");
    await one.begin();
    expect(await one.apply(tenantId, [operation])).toMatchObject([{ status: "ok" }]);
    const second = submitPatiently(other, tenantId, { ...operation, pool_id: "elsewhere" });
    await untilWaiting(observer.client, other.pid, "transactionid");
    await one.end(ending);
    const [answer, repeated] = await second;
    expect(answer).toMatchObject(expected);
    expect(repeated).toBe(retries);
    expect(await audit(observer.client, tenantId)).toEqual([]);
  });

  it("the same content that names no pool is done once", async () => {
    await plant(observer.client, "nameless", [openRoot()]);
    const retries: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const operation = withId({ op: "expire" });
      const answers = await Promise.all([one, other].map((session) => submitPatiently(session, "nameless", operation)));
      expect(answers.map(([{ status }]) => status).sort()).toEqual(["ok", "replayed"]);
      retries.push(...answers.map(([, repeated]) => repeated));
    }
    console.log(`replays without a common lock: ${retries.reduce((a, b) => a + b, 0)} retries in ${ROUNDS} rounds`);
    expect(Math.max(...retries)).toBeLessThanOrEqual(1);
    expect(await audit(observer.client, "nameless")).toEqual([]);
  });
});
