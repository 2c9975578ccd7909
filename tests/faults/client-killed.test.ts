/**
 * A client process is killed at every stage of a call. The call is done once or not at all, nothing stays locked, and
 * whoever asks again under the same ids learns which.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Crew, startCrew } from "../concurrency/crew.js";
import { judge, shutGate } from "../concurrency/gate.js";
import type { Job } from "../concurrency/jobs.js";
import { type Operation, spendOf, withId } from "../concurrency/operations.js";
import { advisoryLocks, audit, openSession, type Session, until, untilWaiting } from "../concurrency/sessions.js";
import { balance, openRoot, plant } from "../concurrency/trees.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { buildCommitGate, openCommitGate, shutCommitGate } from "./commit-gate.js";

const VICTIM = "victim";
const VICTIMS = 8;

let database: TestDatabase;
let holder: Session;
let observer: Session;
let victims: Crew;
let victim = -1;
let tenantId: string;
let operations: readonly Operation[];

beforeAll(async () => {
  victims = startCrew(VICTIMS);
  database = await createTestDatabase();
  [holder, observer] = await Promise.all([openSession(database), openSession(database)]);
  await buildCommitGate(database);
});
afterAll(async () => {
  await victims?.stop();
  await database?.drop();
});
beforeEach(async () => {
  victim += 1;
  tenantId = randomUUID();
  operations = [withId({ op: "meter", pool_id: "root", spend: spendOf(7) }), judge("root")];
  await plant(observer.client, tenantId, [openRoot()]);
});

/** Makes the next victim do a job, and answers the process of the server that serves it. */
async function victimDoes(job: Job): Promise<number> {
  const url = new URL(database.url);
  url.searchParams.set("application_name", VICTIM);
  victims.give(victim, url.href, job).catch(() => {});
  let pid: number | undefined;
  await until(async () => {
    const { rows } = await observer.client.query<{ pid: number }>(
      "select pid from pg_stat_activity where application_name = $1",
      [VICTIM],
    );
    pid = rows[0]?.pid;
    return pid !== undefined;
  }, "the victim connects");
  return pid as number;
}

const submitAll = (): Promise<number> =>
  victimDoes({ kind: "calls", entryPoint: "submit", tenantId, batches: [operations] });

/** A stage of a call, and how to bring the victim there; answers how to let it go on. */
type Stage = () => Promise<{ pid: number; letGo: () => Promise<void> }>;

const beforeTheLocks: Stage = async () => {
  await holder.begin();
  await holder.apply(tenantId, [withId({ op: "meter", pool_id: "root", spend: spendOf(0) })]);
  const pid = await submitAll();
  await untilWaiting(observer.client, pid);
  return { pid, letGo: () => holder.end("commit") };
};

const underTheLocks: Stage = async () => {
  await shutGate(holder, tenantId, "root");
  const pid = await submitAll();
  await untilWaiting(observer.client, pid, "transactionid");
  return { pid, letGo: () => holder.end("rollback") };
};

const beforeTheCommit: Stage = async () => {
  await shutCommitGate(holder.client);
  const pid = await submitAll();
  await untilWaiting(observer.client, pid);
  return { pid, letGo: () => openCommitGate(holder.client) };
};

/** The process that served the victim is gone, and nothing of it is left; asking again gives that answer, once. */
async function expectAfterwards(status: "ok" | "replayed"): Promise<void> {
  await until(async () => {
    const { rows } = await observer.client.query("select from pg_stat_activity where application_name = $1", [VICTIM]);
    return rows.length === 0;
  }, "the server ends the victim's session");
  expect(await advisoryLocks(observer.client)).toEqual([]);
  for (const expected of [status, "replayed"]) {
    expect(await observer.submit(tenantId, operations)).toMatchObject([
      { status: expected, code: null, result: { pool_id: "root" } },
      { status: expected, code: null, result: { pool_id: "root" } },
    ]);
  }
  expect(await balance(observer.client, tenantId, "root", "tokens")).toEqual(["1000", "993", "0", "7"]);
  expect(await audit(observer.client, tenantId)).toEqual([]);
}

describe.each<[string, Stage]>([
  ["before it has the locks", beforeTheLocks],
  ["in the middle of its work", underTheLocks],
  ["after its work, before its commit", beforeTheCommit],
])("killed %s", (_, stage) => {
  it("the server finishes what it was told, unheard", async () => {
    const { letGo } = await stage();
    victims.signal(victim, "SIGKILL");
    await letGo();
    await expectAfterwards("replayed");
  });

  it("with its connection cut, nothing has happened", async () => {
    const { pid, letGo } = await stage();
    victims.signal(victim, "SIGKILL");
    await observer.client.query("select pg_terminate_backend($1)", [pid]);
    await until(async () => !(await isThere(pid)), "the session ends");
    await letGo();
    await expectAfterwards("ok");
  });
});

it("killed after the commit, before it has read the answer: it is done", async () => {
  const { pid, letGo } = await beforeTheLocks();
  victims.signal(victim, "SIGSTOP");
  await letGo();
  await until(async () => (await stateOf(pid)) === "idle", "the call is answered");
  victims.signal(victim, "SIGKILL");
  await expectAfterwards("replayed");
});

it("killed in a transaction of its own, before the commit: nothing has happened", async () => {
  const pid = await victimDoes({ kind: "unfinished", tenantId, operations });
  await until(async () => (await stateOf(pid)) === "idle in transaction", "the work is done");
  await until(async () => (await advisoryLocks(observer.client, pid)).length > 0, "the locks are held");
  victims.signal(victim, "SIGKILL");
  await expectAfterwards("ok");
});

async function stateOf(pid: number): Promise<string | undefined> {
  const { rows } = await observer.client.query<{ state: string }>("select state from pg_stat_activity where pid = $1", [
    pid,
  ]);
  return rows[0]?.state;
}

async function isThere(pid: number): Promise<boolean> {
  return (await stateOf(pid)) !== undefined;
}
