/** `src/database/schema.generated.ts` is what the views are, and what they are is true of everything they show. */
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { viewTypes } from "../../src/database/view-types.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { Books } from "../sql/books.js";
import { correct, meter, openPool, openRun, settle, spawn } from "../sql/builders.js";
import { playHistory } from "../sql/history.js";
import { archive } from "../sql/retention.js";
import { ledgerScenarios } from "../vectors/scenarios.js";
import { createSqlEngine } from "../vectors/sql-engine.js";
import { runScenario } from "../vectors/steps.js";
import { read } from "./sources.js";

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  client = await database.connect();
  for (const scenario of ledgerScenarios()) await runScenario(scenario, await createSqlEngine(client, "submit"));
  const books = await Books.open(client);
  await playHistory(books);
  await archive(books, "run-a");
  await playOddities(await Books.open(client));
});

afterAll(async () => {
  await database?.drop();
});

/** What nobody's history has to have, and may. */
async function playOddities(books: Books): Promise<void> {
  await books.ok(
    openPool("p", { tokens: null }, { deadline_ms: 60_000, max_depth: 3 }),
    meter("p", { usd_known: false }, { provider_request_id: "q", detail: { free: "text" }, tool_calls: ["read"] }),
    meter("p", {}, { tool_calls: ["read", "edit", "run"].map((name) => ({ name, status: "error" })) }),
    openRun("r", { usd: "1" }, { run: { label: "r", experiment: "e", arm: "a" } }),
    spawn("r", "leaf", {}, { key: "k" }),
    settle("leaf", { usd: "2" }, { operation_id: "end", verdict: {}, out_ref: "o", reason: "r", infra: true }),
    correct("end", { usd: "1" }, { lines: [{ model: "m", provider: "q", usd: "1" }] }),
  );
  const price = { provider: "q", model: "m", token_class: "input", usd_per_million: "1", source: "s" };
  const once = { ...price, valid_from: "2026-01-01T00:00:00Z", valid_to: "2026-02-01T00:00:00Z" };
  await books.rows("select ledger.put_prices($1, 'book', $2, 'somewhere')", JSON.stringify([price, once]));
}

/** The views, and how each column is declared: by its text in the generated file. */
interface Declared {
  readonly view: string;
  readonly column: string;
  readonly types: readonly string[];
}

const generated = read("src/database/schema.generated.ts");

function declared(): Declared[] {
  const views = new Map(
    [...generated.matchAll(/^ {2}readonly (\w+): (\w+Row);$/gm)].map(([, view, row]) => [row, view]),
  );
  return [...generated.matchAll(/^export interface (\w+Row) \{\n(.*?)^\}/gms)].flatMap(([, row, body = ""]) =>
    [...body.matchAll(/^ {2}readonly (\w+):([^;]*);$/gm)].map(([, column = "", type = ""]) => ({
      view: views.get(row) ?? "",
      column,
      types: type
        .split("|")
        .map((one) => one.trim())
        .filter(Boolean),
    })),
  );
}

/** What a value is, as a type in TypeScript. */
function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (value instanceof Date) return "Date";
  if (Buffer.isBuffer(value)) return "Buffer";
  return Array.isArray(value) ? "string[]" : typeof value;
}

/** The rows of a view. The audit says nothing of healthy books, so some are spoiled first, for as long as it is read. */
async function rowsOf(view: string): Promise<Record<string, unknown>[]> {
  await client.query("begin");
  try {
    if (view === "audit") {
      await client.query("set local session_replication_role = replica");
      await client.query("update ledger_private.pool_heads set children = children + 1");
      await client.query("update ledger_private.tenants set frozen_pools = frozen_pools + 1");
    }
    return (await client.query(`select * from ledger.${view}`)).rows;
  } finally {
    await client.query("rollback");
  }
}

const columns = declared();
const views = [...new Set(columns.map(({ view }) => view))];

describe("schema.generated.ts", () => {
  it("is not stale", async () => {
    expect(generated, "stale: npm run db:snapshot").toBe(await viewTypes(client));
  });

  it.each(views)("is true of ledger.%s: every value, and every null", async (view) => {
    const rows = await rowsOf(view);
    expect(rows.length).toBeGreaterThan(0);
    const said = columns.filter((column) => column.view === view);
    expect(Object.keys(rows[0] ?? {})).toEqual(said.map(({ column }) => column));
    const wrong: string[] = [];
    for (const { column, types } of said) {
      if (types.includes("unknown")) continue;
      const found = new Set(
        rows
          .map((row) => row[column])
          .map((v) => (v === null ? "null" : types[0]?.startsWith('"') ? JSON.stringify(v) : typeOf(v))),
      );
      for (const type of found) if (!types.includes(type)) wrong.push(`${column} is ${type}, not ${types.join(" | ")}`);
      if (types.includes("null") && !found.has("null")) wrong.push(`${column} is never null`);
    }
    expect(wrong).toEqual([]);
  });

  it("says of which JSON there may be none", async () => {
    const { rows } = await client.query<{ view: string; column: string; comment: string | null }>(
      `select v.relname as view, a.attname as column, col_description(v.oid, a.attnum) as comment
       from pg_class v join pg_attribute a on a.attrelid = v.oid and a.attnum > 0 and a.atttypid = 'jsonb'::regtype
       where v.relnamespace = 'ledger'::regnamespace and v.relkind = 'v'`,
    );
    for (const { view, column, comment } of rows) {
      const none = (await rowsOf(view)).some((row) => row[column] === null);
      expect(comment?.startsWith("null") === true, `${view}.${column}`).toBe(none);
    }
  });
});
