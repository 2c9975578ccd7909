/** An export of books with every kind of event is proven, and says the same twice. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLedger, type Ledger } from "../../src/ledger/ledger.js";
import { createLoginRole, createTestDatabase, type TestDatabase } from "../setup/database.js";
import { Books, type Row } from "../sql/books.js";
import { JOURNAL_KINDS, playHistory } from "../sql/history.js";
import { exported, rulesBroken, verified } from "./exporting.js";

let database: TestDatabase;
let books: Books;
let ledger: Ledger;

beforeAll(async () => {
  database = await createTestDatabase();
  books = await Books.open(await database.connect());
  await playHistory(books);
  const url = await createLoginRole(database, { memberOf: "ledger_auditor", tenantId: books.tenantId });
  ledger = createLedger({ connectionString: url, tenantId: books.tenantId });
});

afterAll(async () => {
  await ledger?.close();
  expect(await books?.audit()).toEqual([]);
  await database?.drop();
});

const parsed = (lines: readonly string[], type: string): Row[] =>
  lines.map((line) => JSON.parse(line)).filter((line) => line.type === type);

describe("an export of a tenant, by an auditor", () => {
  it("is proven", async () => {
    const lines = await exported(ledger, { blobs: true });
    expect(verified(lines)).toMatchObject({ proven: true, findings: [], tenant: books.tenantId, run: null });
  });

  it("has every row of the views", async () => {
    const lines = await exported(ledger, { blobs: true });
    const views = { pool: "pools", node: "nodes", run: "runs", event: "journal", blob: "blobs" };
    for (const [type, view] of Object.entries(views)) {
      const { n } = await books.row(`select count(*)::int as n from ledger.${view} where tenant_id = $1`);
      expect({ type, n: parsed(lines, type).length }).toEqual({ type, n });
    }
    expect([...new Set(parsed(lines, "event").map(({ kind }) => kind))].sort()).toEqual(JOURNAL_KINDS);
    expect(parsed(lines, "header")).toMatchObject([{ format: "agent-ledger-export", version: 1, blobs: true }]);
  });

  it("has the sums of the database", async () => {
    const lines = await exported(ledger);
    const sums = await books.rows(
      `select channel, trim_scale(sum(funded))::text as funded, trim_scale(sum(held))::text as held,
        trim_scale(sum(spent))::text as spent, trim_scale(sum(uncertain))::text as uncertain
      from ledger.postings where tenant_id = $1 group by channel order by channel collate "C"`,
    );
    expect(parsed(lines, "footer")[0]?.sums).toEqual(
      Object.fromEntries(sums.map(({ channel, ...of }) => [channel, of])),
    );
  });

  it("gives exact instants, in UTC", async () => {
    const [event] = parsed(await exported(ledger), "event");
    const { at } = await books.row(
      `select to_char(recorded_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
      from ledger.journal where tenant_id = $1 and pool_id = $2 and seq = 1`,
      event?.pool_id,
    );
    expect(event?.recorded_at).toBe(at);
  });

  it("differs from the next one only in its time", async () => {
    const timeless = (lines: string[]): string[] => {
      const [header = "", ...others] = lines;
      return [header.replace(/"exported_at":"[^"]*"/, ""), ...others.slice(0, -1)];
    };
    expect(timeless(await exported(ledger))).toEqual(timeless(await exported(ledger)));
  });
});

describe("an export of a run", () => {
  it("is proven, and says which budget is outside", async () => {
    const lines = await exported(ledger, { run: "run-a", blobs: true });
    expect(verified(lines)).toMatchObject({ proven: true, findings: [], run: "run-a" });
    expect(parsed(lines, "header")).toMatchObject([{ run: "run-a", outside: { parent_pool_id: "project" } }]);
    expect(parsed(lines, "pool").map(({ pool_id }) => pool_id)).toEqual(["below", "driver", "run-a"]);
  });

  it("that stands by itself says nothing of an outside", async () => {
    const lines = await exported(ledger, { run: "run-c" });
    expect(verified(lines)).toMatchObject({ proven: true });
    expect(parsed(lines, "header")[0]).not.toHaveProperty("outside");
  });

  it("is refused where there is none", async () => {
    await expect(exported(ledger, { run: "project" })).rejects.toMatchObject({ code: "LG003" });
  });
});

it("is no proof of nothing", () => {
  expect(rulesBroken([])).toEqual(["no-header", "no-footer"]);
  expect(rulesBroken(["nonsense\n"])).toEqual(["malformed", "no-header", "no-footer"]);
});
