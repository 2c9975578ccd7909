/** Every operation, journal kind, refusal and error of the protocol occurs in a vector or in a test. */
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";
import { filesBelow, read } from "./sources.js";

const OPERATIONS = [
  ...["open_pool", "fund", "spawn", "dispatch", "extend", "settle", "cancel", "meter", "deliver"],
  ...["correct", "expire", "freeze", "thaw", "close_pool", "judge", "plan"],
];
const KINDS = [
  ...["opened", "funded", "spawned", "dispatched", "extended", "settled", "cancelled", "metered", "delivered"],
  ...["corrected", "expired", "frozen", "thawed", "closed", "judged", "planned", "drawn"],
];
const REFUSALS = [
  ...["key-conflict", "duplicate-key", "pool-closed", "pool-frozen", "deadline-passed", "depth-exceeded"],
  ...["usd-sealed", "usd-unbudgeted", "budget-exhausted", "not-free"],
];
const ERRORS = [
  ...["LG006", "LG009", "LG012", "LG005", "LG001", "LG002", "LG003", "LG011", "LG004", "LG007", "LG008", "LG010"],
];

const THIS_FILE = "tests/contract/coverage.test.ts";

/** What vectors and tests quote. */
const sources = [
  ...filesBelow("tests", ".test.ts").filter((name) => name !== THIS_FILE),
  ...filesBelow("tests/vectors", ".json"),
]
  .map(read)
  .join("\n");

describe("vectors and tests", () => {
  it.each([...OPERATIONS, ...KINDS, ...REFUSALS, ...ERRORS])("speak of %s", (name) => {
    expect(sources).toMatch(new RegExp(`["'\`]${name}["'\`]`));
  });
});

describe("the lists above are those of the database", () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
  });

  afterAll(async () => {
    await database?.drop();
  });

  async function column(text: string): Promise<unknown[]> {
    const { rows }: pg.QueryResult<{ name: string }> = await database.pool.query(text);
    return rows.map(({ name }) => name);
  }

  /** The names that a rule of a table lets through. */
  const allowed = (rule: string) => `
    select m[1] as name from pg_proc p
    cross join lateral regexp_matches(substring(p.prosrc from 'not in [(]([^)]*)[)] then ''${rule}'''), '''([a-z-]+)''', 'g') m
    where p.pronamespace = 'ledger_private'::regnamespace and p.proname like 'sound%'`;

  it("operations", async () => {
    const known = await column(`
      select distinct m[1] as name from pg_proc p
      cross join lateral regexp_matches(pg_get_functiondef(p.oid), 'WHEN ''([a-z_]+)''', 'gi') m
      where p.oid = 'ledger_private.shape'::regproc`);
    const parts = ["any", "spend", "line", "price", "call", "tool_call", "tool_result"];
    expect(known.filter((name) => !parts.includes(String(name))).sort()).toEqual([...OPERATIONS].sort());
  });

  it.each([
    ["journal_kind_known", KINDS],
    ["operations_code_known", REFUSALS],
  ])("%s", async (rule, names) => {
    const known = await column(allowed(rule));
    expect(known.sort()).toEqual([...names].sort());
  });

  it("errors", async () => {
    expect(
      await column("select code as name from ledger.error_codes() where code like 'LG%' order by position"),
    ).toEqual(ERRORS);
  });
});
