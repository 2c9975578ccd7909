/** Breaks every rule of the tables by itself, without any function in between, and expects it by name. */
import type pg from "pg";
import { beforeAll, describe, expect, it } from "vitest";
import { APPEND_ONLY_BREACHES } from "./constraints/append-only.js";
import { ARCHIVE_BREACHES } from "./constraints/archives.js";
import { type Breach, copyOf } from "./constraints/breach.js";
import { type Column, columnsWhere, type Rule, rulesOf } from "./constraints/catalog.js";
import { CHANNEL_BREACHES } from "./constraints/channels.js";
import { makeFixture } from "./constraints/fixture.js";
import { JOURNAL_BREACHES } from "./constraints/journal.js";
import { NODE_BREACHES } from "./constraints/nodes.js";
import { PLAN_BREACHES } from "./constraints/plans.js";
import { POOL_BREACHES } from "./constraints/pools.js";
import { PRICE_BREACHES } from "./constraints/prices.js";
import { TENANT_BREACHES } from "./constraints/tenants.js";
import { useLedger } from "./ledger.js";

const BREACHES: readonly Breach[] = [
  ...TENANT_BREACHES,
  ...POOL_BREACHES,
  ...CHANNEL_BREACHES,
  ...NODE_BREACHES,
  ...JOURNAL_BREACHES,
  ...PLAN_BREACHES,
  ...APPEND_ONLY_BREACHES,
  ...ARCHIVE_BREACHES,
  ...PRICE_BREACHES,
];

const ledger = useLedger();
let rules: Map<string, Rule>;

beforeAll(async () => {
  await makeFixture(ledger.client);
  rules = await rulesOf(ledger.client);
});

/** What the server says to statements that are undone afterwards; undefined where it lets them pass. */
async function attempt(statements: readonly string[], as?: string): Promise<Partial<pg.DatabaseError> | undefined> {
  await ledger.client.query("begin");
  try {
    for (const statement of statements.slice(0, -1)) await ledger.client.query(statement);
    if (as !== undefined) await ledger.client.query(`set local role ${as}`);
    const { rowCount, command } = await ledger.client.query(statements.at(-1) ?? "");
    expect(command === "TRUNCATE" || rowCount, "the statement concerns a row").toBeTruthy();
    return undefined;
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    return error as pg.DatabaseError;
  } finally {
    await ledger.client.query("rollback");
  }
}

function removal(name: string): string {
  const rule = rules.get(name);
  if (!rule) throw new Error(`the catalog knows no rule ${name}`);
  return rule.removal;
}

describe("a rule of the tables", () => {
  it.each(BREACHES)("$rule refuses $title", async ({ rule, sql, sqlstate, constraint = rule, alsoBreaks = [], as }) => {
    const named = { code: sqlstate, constraint };
    const others = alsoBreaks.map(removal);
    const inPlace = await attempt([sql], as);
    expect(inPlace?.code).toBe(sqlstate);
    expect([constraint, ...alsoBreaks]).toContain(inPlace?.constraint);
    expect(await attempt([...others, sql], as), "alone").toMatchObject(named);
    expect(await attempt([...others, removal(rule), sql], as), "nothing else refuses it").toBeUndefined();
  });

  it("has a row in the table above, and no row is of a rule that is gone", () => {
    expect([...new Set(BREACHES.map(({ rule }) => rule))].sort()).toEqual([...rules.keys()].sort());
  });
});

/** A row of each table to put a bad value into; the two kinds of journal rows have different bounds. */
const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  channels: ["pool_id = 'run' and channel = 'tokens'", "pool_id = 'run' and channel = 'usd'"],
  journal: ["operation_id = 'turn'", "corrects_seq is not null and pool_id = 'run'"],
  operations: ["operation_id = 'turn'"],
  pools: ["pool_id = 'run'"],
  pool_heads: ["pool_id = 'run'"],
  nodes: ["node_id = 'leaf'"],
  usage_lines: ["line = 0"],
  journal_archive: ["seq = 1"],
  usage_lines_archive: ["line = 0"],
};

/** Tables that allow no update at all, and what makes a copy of a row another one. */
const ANOTHER: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  journal: { seq: 100 },
  usage_lines: { line: 9 },
  journal_archive: { seq: 100 },
  usage_lines_archive: { line: 9 },
  archives: { first_seq: 100, last_seq: 100, events: 1 },
  price_books: { book: "another" },
  prices: { token_class: "input" },
};

/** Tries a value in a column, past the triggers that allow no update at all. */
async function put({ table, column, key }: Column, value: string | null): Promise<(string | undefined)[]> {
  const another = ANOTHER[table];
  const literal = value === null ? "null" : `'${value}'`;
  const codes: (string | undefined)[] = [];
  for (const where of SAMPLES[table] ?? ["true"]) {
    const sql =
      another && !key
        ? copyOf(table, where, { ...another, [column]: value })
        : another
          ? copyOf(table, where, { [column]: value })
          : `update ledger_private.${table} set ${column} = ${literal} where ${where}`;
    codes.push((await attempt([sql]))?.code);
  }
  return codes;
}

describe("a column of the tables", () => {
  it("takes no null where it must have a value", async () => {
    const columns = await columnsWhere(ledger.client, "a.attnotnull");
    expect(columns.length).toBeGreaterThan(60);
    for (const column of columns) {
      for (const code of await put(column, null)) expect(code, `${column.table}.${column.column}`).toBe("23502");
    }
  });

  it.each(["NaN", "Infinity", "-Infinity"])("takes no %s where it holds an amount", async (value) => {
    const columns = await columnsWhere(ledger.client, "a.atttypid = 'numeric'::regtype");
    expect(columns.length).toBeGreaterThan(40);
    const taken: string[] = [];
    for (const column of columns) {
      const codes = await put(column, value);
      // What is archived is what the journal holds, whose amounts these are.
      const refusals = column.table.endsWith("_archive") ? ["23001"] : ["23514"];
      if (!codes.every((code) => [...refusals, "22003"].includes(code ?? "")))
        taken.push(`${column.table}.${column.column}`);
    }
    expect(taken).toEqual([]);
  });
});
