/** Whatever happened, its export is proven, of the tenant as of each run. */
import fc from "fast-check";
import type pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createLedger } from "../../src/ledger/ledger.js";
import { type History, histories } from "../properties/commands.js";
import { play } from "../properties/play.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { createSqlEngine } from "../vectors/sql-engine.js";
import { exported, verified } from "./exporting.js";

const RUNS = Number(process.env.HISTORY_RUNS ?? 25);
const SEED = process.env.HISTORY_SEED;
const LIMIT_MS = Number(process.env.HISTORY_LIMIT_MS ?? 120_000);

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.connect();
});

afterAll(async () => {
  await database?.drop();
});

async function prove(history: History): Promise<void> {
  const engine = await createSqlEngine(client, history.entryPoint);
  await play(history, async (call) => {
    await engine.apply(call.operations, { atomic: call.atomic }).catch((error: { code?: string }) => {
      if (error.code !== "LG008") throw error;
    });
    if (call.waitsAfter) await engine.sleep(3);
  });
  const { tenantId } = engine;
  const ledger = createLedger({ connectionString: database.url, tenantId });
  try {
    const runs = await ledger.db.selectFrom("runs").select("run_id").where("tenant_id", "=", tenantId).execute();
    for (const run of [undefined, ...runs.map(({ run_id }) => run_id)]) {
      const lines = await exported(ledger, run === undefined ? {} : { run });
      expect(verified(lines).findings, `run ${run}\n${lines.join("")}`).toEqual([]);
    }
  } finally {
    await ledger.close();
  }
}

it(
  "is proven after any history",
  async () => {
    await fc.assert(fc.asyncProperty(histories(100), prove), {
      numRuns: RUNS,
      interruptAfterTimeLimit: LIMIT_MS,
      markInterruptAsFailure: true,
      ...(SEED === undefined ? {} : { seed: Number(SEED) }),
    });
  },
  LIMIT_MS + 30_000,
);
