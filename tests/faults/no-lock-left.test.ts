/** However a submit ends before its time, it leaves no advisory lock, and its connection can be used again. */
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { judge, shutGate } from "../concurrency/gate.js";
import { type Operation, spendOf, withId } from "../concurrency/operations.js";
import { advisoryLocks, audit, openSession, type Session, untilWaiting } from "../concurrency/sessions.js";
import { balance, openRoot, plant, spawnDriver } from "../concurrency/trees.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";

let database: TestDatabase;
let holder: Session;
let submitter: Session;
let observer: Session;
let tenantId: string;

beforeAll(async () => {
  database = await createTestDatabase();
  [holder, submitter, observer] = await Promise.all([
    openSession(database),
    openSession(database),
    openSession(database),
  ]);
});
afterAll(() => database?.drop());
beforeEach(async () => {
  tenantId = randomUUID();
  await plant(observer.client, tenantId, [openRoot(), spawnDriver("driver"), spawnDriver("other")]);
});
afterEach(async () => {
  await holder.end("rollback");
  await submitter.client.query("reset statement_timeout; set lock_timeout = '10s'");
});

const meter = (pool_id: string): Operation => withId({ op: "meter", pool_id, spend: spendOf(7) });

/** An error reaches the client before the server has cleaned up; the next answer comes after that. */
async function locksLeft(session: Session = submitter): Promise<unknown[]> {
  await session.client.query("select");
  return advisoryLocks(observer.client, session.pid);
}

/** Two locks at least, so that some are held while another is awaited. */
const batch = (): Operation[] => [meter("driver"), meter("other"), judge("root")];

async function cancel(): Promise<void> {
  await observer.client.query("select pg_cancel_backend($1)", [submitter.pid]);
}

/** The connection still works, and what failed was not booked. */
async function expectUnharmed(operations: readonly Operation[], tokens: string[]): Promise<void> {
  expect(await submitter.submit(tenantId, operations)).toMatchObject(operations.map(() => ({ status: "ok" })));
  expect(await balance(observer.client, tenantId, "driver", "tokens")).toEqual(tokens);
  expect(await advisoryLocks(observer.client)).toEqual([]);
  expect(await audit(observer.client, tenantId)).toEqual([]);
}

const BOOKED = ["100", "93", "0", "7"];

it.each<[string, "root" | "driver" | "other", string]>([
  ["a cancel while it waits for its payer's lock", "root", "57014"],
  ["a cancel while it waits for one lock", "driver", "57014"],
  ["a cancel while it waits for another lock", "other", "57014"],
  ["lock_timeout while it waits for a lock", "other", "55P03"],
  ["statement_timeout while it waits for a lock", "other", "57014"],
])("%s", async (what, poolId, code) => {
  if (what.startsWith("lock_timeout")) await submitter.client.query("set lock_timeout = '30ms'");
  if (what.startsWith("statement_timeout")) await submitter.client.query("set statement_timeout = '30ms'");
  const operations = batch();
  await holder.begin();
  await holder.apply(tenantId, [withId({ op: "freeze", pool_id: poolId })]);
  const submitted = submitter.submit(tenantId, operations).catch((error) => error);
  if (what.startsWith("a cancel")) {
    await untilWaiting(observer.client, submitter.pid);
    await cancel();
  }
  expect(await submitted).toMatchObject({ code });
  expect(await locksLeft()).toEqual([]);
  await holder.end("rollback");
  await submitter.client.query("reset statement_timeout; set lock_timeout = '10s'");
  await expectUnharmed(operations, BOOKED);
});

it.each<[string, string]>([
  ["a cancel in the middle of its work", "57014"],
  ["statement_timeout in the middle of its work", "57014"],
  ["lock_timeout in the middle of its work", "55P03"],
])("%s", async (what, code) => {
  const operations = batch();
  await shutGate(holder, tenantId, "root");
  if (what.startsWith("statement_timeout")) await submitter.client.query("set statement_timeout = '1s'");
  if (what.startsWith("lock_timeout")) await submitter.client.query("set lock_timeout = '30ms'");
  const submitted = submitter.submit(tenantId, operations).catch((error) => error);
  if (what.startsWith("a cancel")) {
    await untilWaiting(observer.client, submitter.pid, "transactionid");
    await cancel();
  }
  expect(await submitted).toMatchObject({ code });
  expect(await locksLeft()).toEqual([]);
  expect(await balance(observer.client, tenantId, "driver", "tokens")).toEqual(["100", "100", "0", "0"]);
  await holder.end("rollback");
  await submitter.client.query("reset statement_timeout; set lock_timeout = '10s'");
  await expectUnharmed(operations, BOOKED);
});

it.each<[string, () => [tenant: string, operations: unknown, atomic: boolean], string]>([
  ["an unknown tenant", () => ["nobody", [meter("driver")], false], "LG012"],
  ["no array", () => [tenantId, meter("driver"), false], "LG001"],
  ["a refusal in an atomic batch", () => [tenantId, [meter("driver"), meter("nowhere")], true], "LG008"],
])("%s", async (_, call, code) => {
  const [tenant, operations, atomic] = call();
  const parameters = [tenant, JSON.stringify(operations), atomic];
  await expect(submitter.client.query("call ledger.submit($1, $2, $3, null)", parameters)).rejects.toMatchObject({
    code,
  });
  expect(await locksLeft()).toEqual([]);
  await expectUnharmed(batch(), BOOKED);
});

it("a lost connection", async () => {
  const lost = await openSession(database);
  const operations = batch();
  await shutGate(holder, tenantId, "root");
  const submitted = lost.submit(tenantId, operations).catch((error) => error);
  await untilWaiting(observer.client, lost.pid, "transactionid");
  await observer.client.query("select pg_terminate_backend($1, 5000)", [lost.pid]);
  expect(await submitted).toBeInstanceOf(Error);
  expect(await advisoryLocks(observer.client)).toEqual([]);
  await holder.end("rollback");
  await expectUnharmed(operations, BOOKED);
});
