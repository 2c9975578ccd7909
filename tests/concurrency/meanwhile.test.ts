/** What changes while a call waits for its locks: it decides by what is true once it has them. */
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { judge, shutGate } from "./gate.js";
import { type Operation, spendOf, withId } from "./operations.js";
import { audit, openSession, type Session, untilWaiting } from "./sessions.js";
import { balance, type Dollars, openRoot, plant, spawnDriver } from "./trees.js";

let database: TestDatabase;
let holder: Session;
let waiter: Session;
let third: Session;
let gate: Session;
let observer: Session;
let tenantId: string;

beforeAll(async () => {
  database = await createTestDatabase();
  const open = (): Promise<Session> => openSession(database);
  [holder, waiter, third, gate, observer] = await Promise.all([open(), open(), open(), open(), open()]);
});
afterAll(() => database?.drop());
beforeEach(() => {
  tenantId = randomUUID();
});
// A test that failed midway must not fail the next one.
afterEach(() => Promise.all([holder, third, gate].map((session) => session.end("rollback"))));

const meter = (pool_id: string): Operation => withId({ op: "meter", pool_id, spend: spendOf(7, "0.5") });
const settle = (node_id: string): Operation => withId({ op: "settle", node_id, outcome: "done" });
/** Kinds of the rows of a pool since its driver was spawned, with where they come from. */
async function kinds(poolId: string): Promise<string[]> {
  const { rows } = await observer.client.query<{ row: string }>(
    `select concat_ws(' from ', kind, source_pool_id) as row from ledger.journal
     where tenant_id = $1 and pool_id = $2 order by seq`,
    [tenantId, poolId],
  );
  return rows.map(({ row }) => row);
}

describe("a driver is settled while its own inference waits to be metered", () => {
  it("undeclared dollars: it is booked late, and goes up", async () => {
    await plant(observer.client, tenantId, [openRoot(), spawnDriver("driver")]);
    await holder.begin();
    await holder.apply(tenantId, [settle("driver")]);
    const late = waiter.submit(tenantId, [meter("driver")]);
    await untilWaiting(observer.client, waiter.pid);
    await holder.end("commit");
    expect(await late).toMatchObject([{ status: "ok", result: { pool_id: "driver", seq: 3 } }]);
    expect(await kinds("driver")).toEqual(["opened from root", "closed", "metered"]);
    expect(await kinds("root")).toEqual([
      ...["opened", "spawned", "settled from driver", "drawn from driver", "corrected from driver"],
    ]);
    expect(await balance(observer.client, tenantId, "driver", "tokens")).toEqual(["7", "0", "0", "7"]);
    expect(await balance(observer.client, tenantId, "root", "tokens")).toEqual(["1000", "993", "0", "7"]);
    expect(await balance(observer.client, tenantId, "root", "usd")).toEqual(["100", "99.5", "0", "0.5"]);
    expect(await audit(observer.client, tenantId)).toEqual([]);
  });

  it("declared dollars: it learns of the root only then", async () => {
    await plant(observer.client, tenantId, [openRoot(), spawnDriver("driver", "root", "declared")]);
    await holder.begin();
    await holder.apply(tenantId, [settle("driver")]);
    const late = waiter.submit(tenantId, [meter("driver")]);
    await untilWaiting(observer.client, waiter.pid);
    await holder.end("commit");
    expect(await late).toMatchObject([{ status: "ok", result: { pool_id: "driver", seq: 3 } }]);
    expect(await kinds("root")).toEqual(["opened", "spawned", "settled from driver", "corrected from driver"]);
    expect(await balance(observer.client, tenantId, "driver", "usd")).toEqual(["0.5", "0", "0", "0.5"]);
    expect(await balance(observer.client, tenantId, "root", "usd")).toEqual(["100", "99.5", "0", "0.5"]);
    expect(await audit(observer.client, tenantId)).toEqual([]);
  });

  it("while the root is at work for somebody else: it waits for the root too, and is not lost", async () => {
    await plant(observer.client, tenantId, [openRoot(), spawnDriver("driver", "root", "declared")]);
    await holder.begin();
    await holder.apply(tenantId, [settle("driver")]);
    const late = waiter.submit(tenantId, [meter("driver")]);
    await untilWaiting(observer.client, waiter.pid);
    await shutGate(gate, tenantId, "root");
    const judged = third.submit(tenantId, [judge("root")]);
    await untilWaiting(observer.client, third.pid);
    await holder.end("commit");
    // The root's lock goes to the third session, which stops at the gate; only then can the waiter learn of the root.
    await untilWaiting(observer.client, third.pid, "transactionid");
    await untilWaiting(observer.client, waiter.pid);
    await gate.end("rollback");
    expect(await Promise.all([judged, late])).toMatchObject([
      [{ status: "ok" }],
      [{ status: "ok", result: { pool_id: "driver", seq: 3 } }],
    ]);
    expect(await balance(observer.client, tenantId, "root", "usd")).toEqual(["100", "99.5", "0", "0.5"]);
    expect(await audit(observer.client, tenantId)).toEqual([]);
  });

  it("while somebody who has the root waits for the driver's pool: nobody is a deadlock's victim", async () => {
    tenantId = "the root is not last";
    const names = ["driver-0", "driver-1", "driver-2", "driver-3", "driver-4", "driver-5"];
    await plant(observer.client, tenantId, [openRoot(), ...names.map((id) => spawnDriver(id, "root", "declared"))]);
    const driver = await oneBehindRoot(names);
    await holder.begin();
    await holder.apply(tenantId, [settle(driver)]);
    const late = waiter.submit(tenantId, [meter(driver)]);
    await untilWaiting(observer.client, waiter.pid);
    const both = third.submit(tenantId, [meter("root"), meter(driver)]);
    await untilWaiting(observer.client, third.pid);
    await holder.end("commit");
    expect(await Promise.all([late, both])).toMatchObject([[{ status: "ok" }], [{ status: "ok" }, { status: "ok" }]]);
    expect(await balance(observer.client, tenantId, "root", "usd")).toEqual(["100", "48.5", "50", "1.5"]);
    expect(await audit(observer.client, tenantId)).toEqual([]);
  });
});

/** A pool whose lock comes after the root's: whoever wants both then has the root while it waits for that pool. */
async function oneBehindRoot(names: readonly string[]): Promise<string> {
  const { rows } = await observer.client.query<{ pool_id: string }>("select pool_id from ledger.pools_of($1, $2)", [
    tenantId,
    JSON.stringify(["root", ...names].map(meter)),
  ]);
  const last = rows.at(-1)?.pool_id;
  if (last === undefined || last === "root") throw new Error("the root's lock comes last: choose other names");
  return last;
}

describe("a spawn waits", () => {
  const family = (dollars: Dollars): Operation[] => [
    openRoot(),
    spawnDriver("parent", "root", dollars),
    spawnDriver("child", "parent", dollars),
  ];
  const spawn = (pool_id: string): Operation => withId({ op: "spawn", pool_id, label: "late", budget: { tokens: 1 } });
  const freeze = (): Operation => withId({ op: "freeze", pool_id: "root" });

  it("for the grandparent that pays, which is frozen meanwhile: it is refused", async () => {
    await plant(observer.client, tenantId, family("undeclared"));
    await holder.begin();
    await holder.apply(tenantId, [freeze()]);
    const answer = waiter.submit(tenantId, [spawn("child")]);
    await untilWaiting(observer.client, waiter.pid);
    await holder.end("commit");
    expect(await answer).toMatchObject([{ status: "refused", code: "pool-frozen" }]);
    expect(await audit(observer.client, tenantId)).toEqual([]);
  });

  it("for its own pool, and the grandparent is frozen meanwhile: it is refused", async () => {
    await plant(observer.client, tenantId, family("declared"));
    await holder.begin();
    await holder.apply(tenantId, [meter("child")]);
    const answer = waiter.submit(tenantId, [spawn("child")]);
    await untilWaiting(observer.client, waiter.pid);
    expect(await third.submit(tenantId, [freeze()])).toMatchObject([{ status: "ok" }]);
    await holder.end("rollback");
    expect(await answer).toMatchObject([{ status: "refused", code: "pool-frozen" }]);
    expect(await audit(observer.client, tenantId)).toEqual([]);
  });

  it("for nothing, while the freeze of a grandparent is not committed: it comes first", async () => {
    await plant(observer.client, tenantId, family("declared"));
    await holder.begin();
    await holder.apply(tenantId, [freeze()]);
    expect(await waiter.submit(tenantId, [spawn("child")])).toMatchObject([{ status: "ok" }]);
    await holder.end("commit");
    expect(await waiter.submit(tenantId, [spawn("child")])).toMatchObject([{ code: "pool-frozen" }]);
    expect(await audit(observer.client, tenantId)).toEqual([]);
  });

  it("for its own pool, which is closed meanwhile: it is refused", async () => {
    await plant(observer.client, tenantId, family("declared"));
    await holder.begin();
    await holder.apply(tenantId, [settle("child")]);
    const answer = waiter.submit(tenantId, [spawn("child")]);
    await untilWaiting(observer.client, waiter.pid);
    await holder.end("commit");
    expect(await answer).toMatchObject([{ status: "refused", code: "pool-closed" }]);
    expect(await audit(observer.client, tenantId)).toEqual([]);
  });

  it("for a pool that is not there yet, and is opened meanwhile: it is granted", async () => {
    await plant(observer.client, tenantId, family("declared"));
    await third.begin();
    await third.apply(tenantId, [meter("new")]);
    const answer = waiter.submit(tenantId, [spawn("new")]);
    await untilWaiting(observer.client, waiter.pid);
    expect(await holder.submit(tenantId, [spawnDriver("new", "parent")])).toMatchObject([{ status: "ok" }]);
    await third.end("rollback");
    expect(await answer).toMatchObject([{ status: "ok", result: { node_id: "new:s0" } }]);
    expect(await audit(observer.client, tenantId)).toEqual([]);
  });
});
