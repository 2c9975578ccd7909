/** Batches that name the same pools in opposite orders: nobody is chosen as the victim of a deadlock. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { type Operation, spendOf, withId } from "./operations.js";
import { applyPatiently, audit, openSession, type Session } from "./sessions.js";
import { balance, openRoot, plant, spawnDriver } from "./trees.js";

const ROUNDS = 30;
const DRIVERS = ["a", "b", "c"];

let database: TestDatabase;
let sessions: readonly [Session, Session, Session, Session];

beforeAll(async () => {
  database = await createTestDatabase();
  sessions = await Promise.all([
    openSession(database),
    openSession(database),
    openSession(database),
    openSession(database),
  ]);
  await plant(sessions[0].client, "t", [
    openRoot(),
    ...DRIVERS.map((id) => spawnDriver(id)),
    ...DRIVERS.map((id) => spawnDriver(`${id}-below`, id)),
  ]);
});
afterAll(() => database?.drop());

/** One token in every pool of the tree, from the top down. */
function downwards(): Operation[] {
  const pools = ["root", ...DRIVERS, ...DRIVERS.map((id) => `${id}-below`)];
  return pools.map((pool_id) => withId({ op: "meter", pool_id, spend: spendOf(1) }));
}

const upwards = (): Operation[] => downwards().reverse();

it("of four submits at once, none fails", async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const batches = [downwards(), upwards(), upwards(), downwards()];
    const answers = await Promise.all(sessions.map((session, index) => session.submit("t", batches[index] ?? [])));
    expect(answers.flat().filter(({ status }) => status !== "ok")).toEqual([]);
  }
  expect(await balance(sessions[0].client, "t", "root", "tokens")).toEqual(["1000", "580", "300", "120"]);
  expect(await audit(sessions[0].client, "t")).toEqual([]);
});

it("of two submits and two transactions of callers, none meets a deadlock", async () => {
  const losses: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const [first, second, third, fourth] = sessions;
    const results = await Promise.all([
      first.submit("t", downwards()),
      second.submit("t", upwards()),
      applyPatiently(third, "t", downwards()),
      applyPatiently(fourth, "t", upwards()),
    ]);
    expect([...results[0], ...results[1]].filter(({ status }) => status !== "ok")).toEqual([]);
    losses.push(...results[2], ...results[3]);
  }
  expect(losses.filter((state) => state !== "40001")).toEqual([]);
  expect(await balance(sessions[0].client, "t", "root", "tokens")).toEqual(["1000", "460", "300", "240"]);
  expect(await audit(sessions[0].client, "t")).toEqual([]);
});
