/**
 * Eight processes on 64 pools that have nothing in common, in a database that was empty a moment ago and was never
 * analysed: they must not make one another fail. What a call costs is printed beside a bare update of one row. On a
 * server of its own: what serializable transactions have read is kept for the whole server as long as any is open, and
 * other suites hold theirs open on purpose.
 */
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { connect } from "../../src/database/connect.js";
import { migrateToCurrent } from "../../src/database/migrate.js";
import { startServer, type TestServer } from "../setup/server.js";
import { type Crew, startCrew } from "./crew.js";
import { type Job, perSecond } from "./jobs.js";
import { type EntryPoint, type Operation, spendOf, submit, withId } from "./operations.js";
import { PATIENCE_MS, STRESS } from "./stress.js";

const WORKERS = 8;
const POOLS_PER_WORKER = 8;
const ROUNDS = 3 * STRESS;

/** The operations of one round on one pool; the child's id is the one the ledger derives. */
const ROUND: readonly ((poolId: string, round: number) => Operation)[] = [
  (poolId) => ({ op: "spawn", pool_id: poolId, label: "worker", budget: { tokens: 10, usd: "0.01" } }),
  (poolId, round) => ({
    op: "settle",
    node_id: `${poolId}:s${round}`,
    outcome: "done",
    spend: spendOf(7, "0.004", 1),
  }),
  (poolId) => ({ op: "meter", pool_id: poolId, spend: spendOf(3, "0.001") }),
];

let crew: Crew;

beforeAll(() => {
  crew = startCrew(WORKERS);
});
afterAll(() => crew?.stop());

const poolsOf = (worker: number): string[] =>
  Array.from({ length: POOLS_PER_WORKER }, (_, index) => `pool-${worker}-${index}`);

async function openPools(client: pg.Client, tenantId: string): Promise<void> {
  await client.query("select ledger.create_tenant($1)", [tenantId]);
  const channels = { tokens: { total: 1_000_000 }, usd: { total: "1000" } };
  for (let worker = 0; worker < WORKERS; worker++) {
    const opened = poolsOf(worker).map((pool_id) => withId({ op: "open_pool", pool_id, channels }));
    await submit(client, tenantId, opened);
  }
  await client.query("create table floor (id int primary key, n int not null) with (fillfactor = 50)");
  await client.query("insert into floor select i, 0 from generate_series(1, $1) i", [WORKERS]);
}

/** All of a worker's pools do one operation, `size` times in a call, before any of them does the next. */
function callsOf(worker: number, tenantId: string, entryPoint: EntryPoint, size: number): Job {
  const batches: Operation[][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const operation of ROUND) {
      for (const poolId of poolsOf(worker)) {
        batches.push(Array.from({ length: size }, (_, index) => withId(operation(poolId, round * size + index))));
      }
    }
  }
  return { kind: "calls", entryPoint, tenantId, batches };
}

/**
 * One operation a call takes the plain path. Several are folded, and settling three nodes reads three rows, which may become
 * a lock of the page that nodes of other pools are on: a few of those calls lose.
 */
const WAYS: readonly { entryPoint: EntryPoint; size: number; tolerated: number }[] = [
  { entryPoint: "submit", size: 1, tolerated: 0.01 },
  { entryPoint: "apply", size: 1, tolerated: 0.01 },
  { entryPoint: "submit", size: 3, tolerated: 0.1 },
];

describe.each(WAYS)("calls of ledger.$entryPoint, operations in each: $size", ({ entryPoint, size, tolerated }) => {
  let server: TestServer;
  let client: pg.Client;
  beforeAll(async () => {
    server = await startServer({ version: inject("postgres").major === 15 ? "15" : "embedded" });
    await migrateToCurrent(server.url);
    client = await connect(server.url);
    await openPools(client, "t");
  }, PATIENCE_MS);
  afterAll(async () => {
    await client?.end();
    await server?.stop();
  });

  it(
    "hardly ever fails for the sake of another pool",
    async () => {
      const workers = [...Array(WORKERS).keys()];
      const count = ROUNDS * ROUND.length * POOLS_PER_WORKER;
      const reports = await crew.run(
        server.url,
        workers.map((worker) => callsOf(worker, "t", entryPoint, size)),
      );
      const updates = await crew.run(
        server.url,
        workers.map((worker): Job => ({ kind: "updates", row: worker + 1, count })),
      );
      const answers = reports.flatMap((report) => report.answers);
      const retries = reports.flatMap((report) => report.retries);
      console.log(
        `${entryPoint} of ${size}: ${perSecond(reports, count * WORKERS)} calls/s, ${retries.length} retries in ${count * WORKERS} calls; ` +
          `bare update: ${perSecond(updates, count * WORKERS)}/s, ${updates.flatMap((report) => report.retries).length} retries`,
      );
      expect(answers.filter(({ status }) => status !== "ok")).toEqual([]);
      expect(answers).toHaveLength(count * WORKERS * size);
      expect((await client.query("select * from ledger.audit")).rows).toEqual([]);
      expect(retries.length).toBeLessThanOrEqual(count * WORKERS * tolerated);
    },
    PATIENCE_MS,
  );
});
