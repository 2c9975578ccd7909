/** Pruning and archiving beside writers: nobody waits who need not, nobody loses, and nothing is lost. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { type Operation, spendOf, withId } from "./operations.js";
import { applyPatiently, audit, openSession, type Session, untilWaiting } from "./sessions.js";

const DIGEST = `sha256:${"0".repeat(64)}`;
const READ_COMMITTED = "begin isolation level read committed";

let database: TestDatabase;
let keeper: Session;
let writer: Session;
let observer: Session;
let tenants = 0;
let tenantId: string;

beforeAll(async () => {
  database = await createTestDatabase();
  [keeper, writer, observer] = [await openSession(database), await openSession(database), await openSession(database)];
});
afterAll(() => database?.drop());

beforeEach(async () => {
  tenantId = `t${++tenants}`;
  await observer.client.query("select ledger.create_tenant($1)", [tenantId]);
  const top: Operation = { op: "open_pool", pool_id: "top", channels: { tokens: { total: 1_000_000 } } };
  await observer.submit(tenantId, [top, ...["a", "b"].flatMap(runOf)].map(withId));
});
afterEach(async () => {
  expect(await audit(observer.client, tenantId)).toEqual([]);
});

const meter = (pool_id: string, more: Operation = {}): Operation =>
  withId({ op: "meter", pool_id, spend: spendOf(1), ...more });

/** A closed run of one turn below the top pool. */
function runOf(run: string): Operation[] {
  return [
    { op: "open_pool", pool_id: run, parent_pool_id: "top", channels: { tokens: { total: 100 } }, run: { label: run } },
    meter(run),
    { op: "close_pool", pool_id: run },
  ].map(withId);
}

const archiveSome = (run: string): Promise<unknown> =>
  keeper.client.query("select * from ledger.archive_some($1, $2, $3, $4)", [
    tenantId,
    run,
    JSON.stringify({ [run]: 3 }),
    DIGEST,
  ]);

/** Writes of every kind that have nothing to do with run a. */
const ELSEWHERE: readonly (() => Operation[])[] = [
  () => [meter("top")],
  () => [{ op: "fund", pool_id: "top", amounts: { tokens: 5 } }].map(withId),
  () => [meter("b")],
  () => runOf(`c${Math.random()}`),
];

describe("an archiving that is not committed", () => {
  it("keeps nobody waiting but late spend in that run, which then goes on", async () => {
    await keeper.client.query(READ_COMMITTED);
    await archiveSome("a");
    for (const operations of ELSEWHERE) {
      const answers = await writer.submit(tenantId, operations());
      expect(answers.every(({ status }) => status === "ok")).toBe(true);
    }
    const late = writer.submit(tenantId, [meter("a")]);
    await untilWaiting(observer.client, writer.pid);
    await keeper.client.query("commit");
    expect(await late).toMatchObject([{ status: "ok", result: { pool_id: "a", seq: 4 } }]);
  });

  it("leaves all as it was where it is undone", async () => {
    await keeper.client.query(READ_COMMITTED);
    await archiveSome("a");
    await keeper.client.query("rollback");
    expect((await observer.client.query("select from ledger.archives where tenant_id = $1", [tenantId])).rowCount).toBe(
      0,
    );
    await writer.submit(tenantId, [meter("a")]);
  });
});

it("an archiving makes no transaction of a writer lose", async () => {
  for (const [run, operations] of [
    ["a", [meter("top"), meter("b")]],
    ["b", [meter("top"), ...runOf("d")]],
  ] as const) {
    await writer.begin();
    await writer.apply(tenantId, operations.slice(0, 1));
    await keeper.client.query(READ_COMMITTED);
    await archiveSome(run);
    await keeper.client.query("commit");
    await writer.apply(tenantId, operations.slice(1));
    const { rows } = await writer.client.query("select from ledger.journal where tenant_id = $1", [tenantId]);
    expect(rows.length).toBeGreaterThan(8);
    await writer.end("commit");
  }
});

it("a transaction that has read what leaves sees it to its end", async () => {
  const text = "select pool_id, seq, kind from ledger.journal where tenant_id = $1 order by 1, 2";
  await writer.begin();
  const before = (await writer.client.query(text, [tenantId])).rows;
  await keeper.client.query(READ_COMMITTED);
  await archiveSome("a");
  await keeper.client.query("commit");
  expect((await writer.client.query(text, [tenantId])).rows).toEqual(before);
  await writer.end("rollback");
  expect((await writer.client.query(text, [tenantId])).rows).toEqual(before);
});

describe("a pruning that is not committed", () => {
  it("keeps nobody waiting but who asks for what is pruned, whose id is new then", async () => {
    await writer.submit(tenantId, [meter("top", { operation_id: "old" })]);
    await observer.client.query(
      "update ledger_private.operations set at = at - interval '40 days' where tenant_id = $1 and operation_id = 'old'",
      [tenantId],
    );
    await keeper.client.query(READ_COMMITTED);
    const { rows } = await keeper.client.query("select pruned::int from ledger.prune_some($1)", [tenantId]);
    expect(rows).toEqual([{ pruned: 1 }]);
    for (const operations of ELSEWHERE) await writer.submit(tenantId, operations());
    const again = writer.submit(tenantId, [meter("top", { operation_id: "old", spend: spendOf(2) })]);
    await untilWaiting(observer.client, writer.pid, "transactionid");
    await keeper.client.query("commit");
    expect(await again).toMatchObject([{ status: "ok" }]);
  });

  it("makes no transaction of a writer lose", async () => {
    await writer.begin();
    await writer.apply(tenantId, [meter("top")]);
    await keeper.client.query(READ_COMMITTED);
    await keeper.client.query("select ledger.prune_some(null, '1 day')");
    await keeper.client.query("commit");
    await writer.apply(tenantId, [meter("b"), ...runOf("e")]);
    await writer.end("commit");
  });
});

it("writers, archivers and pruners at once lose nothing", async () => {
  const runs = Array.from({ length: 12 }, (_, n) => `run-${n}`);
  await observer.submit(tenantId, runs.flatMap(runOf));
  await observer.client.query(
    "update ledger_private.operations set at = at - interval '40 days' where tenant_id = $1",
    [tenantId],
  );
  const late = await openSession(database);
  const write = async (): Promise<void> => {
    for (const run of runs) {
      await writer.submit(tenantId, [meter("top"), meter(run)]);
      await applyPatiently(late, tenantId, [meter(run)]);
    }
  };
  const keep = async (): Promise<void> => {
    for (const run of runs) {
      const heads = JSON.stringify({ [run]: 3 });
      await keeper.client.query("call ledger.archive_run($1, $2, $3, $4)", [tenantId, run, heads, DIGEST]);
      await keeper.client.query("call ledger.prune($1)", [tenantId]);
    }
  };
  await Promise.all([write(), keep()]);
  const { rows } = await observer.client.query(
    "select sum(spent)::int as spent, count(*)::int as events from ledger.postings where tenant_id = $1 and pool_id like 'run-%' and kind = 'metered'",
    [tenantId],
  );
  expect(rows).toEqual([{ spent: 36, events: 36 }]);
  expect((await observer.client.query("select from ledger.archives where tenant_id = $1", [tenantId])).rowCount).toBe(
    12,
  );
});
