/**
 * Every acceptance vector, in a fresh tenant each: one operation a call, and cut into batches.
 */
import type { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { regroup } from "./regroup.js";
import { ledgerScenarios } from "./scenarios.js";
import { createSqlEngine, type EntryPoint } from "./sql-engine.js";
import { runScenario, type Scenario } from "./steps.js";

const ENTRY_POINTS: EntryPoint[] = ["submit", "apply"];
const SEEDS = [1];

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.connect();
});

afterAll(async () => {
  await database?.drop();
});

/** Plays the scenario; whatever it was, the ledger must be sound afterwards. */
async function play(scenario: Scenario, entryPoint: EntryPoint): Promise<void> {
  const engine = await createSqlEngine(client, entryPoint);
  await runScenario(scenario, engine);
  expect(await engine.audit()).toEqual([]);
}

describe.each(ENTRY_POINTS)("through ledger.%s", (entryPoint) => {
  describe.each(ledgerScenarios())("$id $title", (scenario) => {
    it("holds one operation a call", async () => {
      await play(scenario, entryPoint);
    });

    it.each(SEEDS)("holds in batches cut with seed %i", async (seed) => {
      await play(regroup(scenario, seed), entryPoint);
    });
  });
});
