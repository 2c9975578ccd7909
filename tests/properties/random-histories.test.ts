/**
 * Random histories: the database answers every operation as the reference model does, and ends in the same state,
 * however the operations are cut into calls. `HISTORY_RUNS`, `HISTORY_LIMIT_MS` widen the search,
 * `HISTORY_SEED` repeats one.
 */
import fc from "fast-check";
import type { Client } from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ModelLedger } from "../model/ledger.js";
import { BOOK } from "../model/prices.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { createSqlEngine, type SqlEngine } from "../vectors/sql-engine.js";
import { answerFacts, modelBalances, modelFacts, sqlBalances, sqlFacts } from "./agreement.js";
import { type History, histories } from "./commands.js";
import { type Call, play } from "./play.js";

const RUNS = Number(process.env.HISTORY_RUNS ?? 25);
const SEED = process.env.HISTORY_SEED;
const LONGEST = 120;
/** When to stop looking for a shorter history that fails; the one found so far is reported. */
const LIMIT_MS = Number(process.env.HISTORY_LIMIT_MS ?? 240_000);
/** Longer than a short lease, so that it has passed for certain. */
const PAUSE_MS = 3;

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.connect();
});

afterAll(async () => {
  await database?.drop();
});

/** What the database makes of a call: its answers, or the SQLSTATE that the whole call raised. */
async function outcomeOf(engine: SqlEngine, call: Call): Promise<unknown> {
  try {
    const answers = await engine.apply(call.operations, { atomic: call.atomic });
    return answers.map((answer, position) => answerFacts(call.operations[position] ?? {}, answer));
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "LG008") return code;
    throw error;
  }
}

function expectedOutcome({ operations, outcome }: Call): unknown {
  if (typeof outcome === "string") return outcome;
  return outcome.map((verdict, position) => answerFacts(operations[position] ?? {}, verdict));
}

/** Plays the history on both sides; a difference is reported with the calls that led to it. */
async function compare(history: History): Promise<void> {
  const engine = await createSqlEngine(client, history.entryPoint);
  if (history.priced) await engine.priceFrom(BOOK);
  const calls: Call[] = [];
  let now = 0;
  const model = await play(history, async (call, state: ModelLedger, at) => {
    calls.push(call);
    now = at + 1;
    await reporting(calls, async () => {
      expect(await outcomeOf(engine, call)).toEqual(expectedOutcome(call));
      expect(await sqlBalances(engine)).toEqual(modelBalances(state.state));
    });
    if (call.waitsAfter) await engine.sleep(PAUSE_MS);
  });
  await reporting(calls, async () => {
    const known = modelFacts(model, now);
    expect(await sqlFacts(engine, known)).toEqual(known);
  });
}

/** Adds the calls so far to whatever goes wrong. */
async function reporting(calls: readonly Call[], check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (error) {
    if (error instanceof Error) {
      const script = calls.map(({ operations, atomic }) => `${atomic ? "atomic " : ""}${JSON.stringify(operations)}`);
      error.message += `\n\ncalls so far:\n${script.join("\n")}`;
    }
    throw error;
  }
}

it(
  "agrees with the model after any history",
  async () => {
    await fc.assert(fc.asyncProperty(histories(LONGEST), compare), {
      numRuns: RUNS,
      interruptAfterTimeLimit: LIMIT_MS,
      // A search that was cut short has proved nothing.
      markInterruptAsFailure: true,
      ...(SEED === undefined ? {} : { seed: Number(SEED) }),
    });
  },
  LIMIT_MS + 30_000,
);
