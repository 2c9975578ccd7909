/** One order of errors: in `ledger.error_codes()`, in the table people read, and in what happens. */
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../src/database/connect.js";
import { createLoginRole } from "../setup/database.js";
import type { Books, Operation } from "../sql/books.js";
import { meter, openPool, settle, settleDriver, spawn, spawnDriver } from "../sql/builders.js";
import { useLedger } from "../sql/ledger.js";
import { filesBelow, read } from "./sources.js";

const ledger = useLedger();
let codes: string[];

beforeAll(async () => {
  const { rows } = await ledger.client.query<{ code: string }>(
    "select code from ledger.error_codes() order by position",
  );
  codes = rows.map(({ code }) => code);
});

describe("the registry", () => {
  it("has the order of the table in sql/README.md", () => {
    const section = read("sql/README.md")
      .split(/^## /m)
      .find((part) => part.startsWith("Error registry"));
    const table = [...(section ?? "").matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code);
    expect(table).toEqual(codes);
  });

  it("names every code once, and numbers them from 1", async () => {
    const { rows } = await ledger.client.query("select position, name, meaning from ledger.error_codes()");
    expect(rows.map(({ position }) => position)).toEqual(rows.map((_, index) => index + 1));
    expect(new Set(codes).size).toBe(codes.length);
    expect(new Set(rows.map(({ name }) => name)).size).toBe(codes.length);
    for (const { meaning } of rows) expect(meaning).toMatch(/\w/);
  });

  it("lets retry what another transaction caused, and nothing of ours", async () => {
    const { rows } = await ledger.client.query("select code from ledger.error_codes() where retryable order by code");
    expect(rows.map(({ code }) => code)).toEqual(["40001", "40P01", "55P03"]);
  });

  it("says which are raised for the whole call", async () => {
    const { rows } = await ledger.client.query(
      "select code from ledger.error_codes() where not whole_call order by position",
    );
    expect(rows.map(({ code }) => code)).toEqual(["LG005", "LG001", "LG002", "LG003", "LG011", "LG004", "LG007"]);
  });

  it("knows every code that the functions name", () => {
    const sql = filesBelow("sql", ".sql").map(read).join("\n");
    const named = [...new Set(sql.match(/LG\d\d\d/g))].sort();
    expect(named).toEqual(codes.filter((code) => code.startsWith("LG")).sort());
  });
});

/** An operation, and every rule of the registry that it breaks. */
interface Broken {
  readonly breaks: readonly string[];
  readonly title: string;
  readonly operation: Operation;
}

const used = { operation_id: "used" };
const TAKEN = "taken";

/** In a pool `p` that caps tokens; `driver` has an open hold, `ended` has ended, `shut` is a driver that has. */
const CASES: readonly Broken[] = [
  { breaks: ["LG007"], title: "closes over open holds", operation: { op: "close_pool", pool_id: "driver" } },
  { breaks: ["LG007"], title: "settles over open holds", operation: settleDriver("driver") },
  { breaks: ["LG007", "LG001"], title: "and states a driver's spend", operation: settle("driver") },
  { breaks: ["LG007", "LG001", "LG005"], title: "and reuses an id", operation: { ...settle("driver"), ...used } },
  { breaks: ["LG004"], title: "settles twice", operation: settle("ended") },
  { breaks: ["LG004", "LG001"], title: "and states nothing", operation: settleDriver("ended") },
  { breaks: ["LG004", "LG001", "LG005"], title: "and reuses an id", operation: { ...settleDriver("ended"), ...used } },
  { breaks: ["LG004"], title: "closes twice", operation: { op: "close_pool", pool_id: "shut" } },
  { breaks: ["LG011"], title: "opens what exists", operation: openPool(TAKEN) },
  { breaks: ["LG011", "LG002"], title: "and under nothing", operation: openPool(TAKEN, {}, { parent_pool_id: "no" }) },
  {
    breaks: ["LG011", "LG002", "LG001"],
    title: "and malformed",
    operation: openPool(TAKEN, {}, { parent_pool_id: "no", max_depth: -1 }),
  },
  {
    breaks: ["LG011", "LG002", "LG001", "LG005"],
    title: "and reuses an id",
    operation: openPool(TAKEN, {}, { parent_pool_id: "no", max_depth: -1, ...used }),
  },
  { breaks: ["LG011"], title: "spawns what exists", operation: spawn("p", "ended", { tokens: 1 }) },
  { breaks: ["LG011", "LG001"], title: "and declares no tokens", operation: spawn("p", "ended") },
  { breaks: ["LG011", "LG002"], title: "spawns what exists in no pool", operation: spawn("no", "ended") },
  { breaks: ["LG003"], title: "settles nobody", operation: settle("nobody") },
  { breaks: ["LG003", "LG001"], title: "and malformed", operation: settle("nobody", { input_tokens: -1 }) },
  {
    breaks: ["LG003", "LG001", "LG005"],
    title: "and reuses an id",
    operation: { ...settle("nobody", { ms: -1 }), ...used },
  },
  { breaks: ["LG002"], title: "meters nowhere", operation: meter("no") },
  { breaks: ["LG002", "LG001"], title: "and malformed", operation: meter("no", { usd: -1 }) },
  {
    breaks: ["LG002", "LG001", "LG005"],
    title: "and reuses an id",
    operation: { ...meter("no", { usd: -1 }), ...used },
  },
  { breaks: ["LG001"], title: "does what no operation does", operation: { op: "steal" } },
  { breaks: ["LG001", "LG005"], title: "and reuses an id", operation: { op: "steal", ...used } },
];

describe("an operation that breaks several rules", () => {
  let books: Books;

  beforeAll(async () => {
    books = await ledger.open();
    await books.ok(
      openPool("p", { tokens: 100 }),
      openPool(TAKEN),
      spawnDriver("p", "driver", { tokens: 10 }),
      spawn("driver", "open", { tokens: 1 }),
      spawn("p", "ended", { tokens: 1 }),
      settle("ended"),
      spawnDriver("p", "shut", { tokens: 1 }),
      settleDriver("shut"),
      meter("p", {}, used),
    );
  });

  it.each(CASES)("is $breaks in the order of the registry: $title", async ({ breaks, operation }) => {
    const first = codes.find((code) => breaks.includes(code));
    expect(await books.do(operation)).toMatchObject({ status: "error", code: first });
    expect((await books.apply([meter("p"), operation, meter("p")]))[1]).toMatchObject({ code: first });
  });

  it("rejects an atomic call, whichever it is", async () => {
    for (const { operation } of CASES) {
      await expect(books.apply([operation], { atomic: true })).rejects.toMatchObject({ code: "LG008" });
    }
  });
});

describe("a call that breaks several rules", () => {
  let unbound: pg.Client;
  let ofAll: pg.Client;

  beforeAll(async () => {
    unbound = await connect(await createLoginRole(ledger.database, { memberOf: "ledger_writer" }));
    ofAll = await connect(await createLoginRole(ledger.database, { memberOf: "ledger_writer", tenantId: "*" }));
  });

  afterAll(async () => {
    await Promise.all([unbound?.end(), ofAll?.end()]);
  });

  const apply = async (client: pg.Client, level: string, operations: unknown): Promise<void> => {
    await client.query(`begin isolation level ${level}`);
    try {
      await client.query("select * from ledger.apply('nobody', $1, true)", [JSON.stringify(operations)]);
    } finally {
      await client.query("rollback");
    }
  };

  it.each([
    [["LG012"], "of an unknown tenant", () => apply(ofAll, "serializable", [])],
    [["LG012", "LG001"], "and no list", () => apply(ofAll, "serializable", {})],
    [["LG012", "LG008"], "and to be rejected", () => apply(ofAll, "serializable", [{ op: "steal" }])],
    [["LG012", "LG009"], "and of a role that is not bound", () => apply(unbound, "serializable", [])],
    [["LG012", "LG009", "LG006"], "and not serializable", () => apply(unbound, "read committed", [])],
    [["LG012", "LG006"], "of an unknown tenant, not serializable", () => apply(ofAll, "repeatable read", [])],
    [["LG012", "LG009", "LG006", "LG001"], "and no list", () => apply(unbound, "read committed", 5)],
  ])("is %s in the order of the registry: %s", async (breaks, _title, call) => {
    const first = codes.find((code) => breaks.includes(code));
    await expect(call()).rejects.toMatchObject({ code: first });
  });

  it("has tried every code but the verdict's", () => {
    const tried = new Set([...CASES.flatMap(({ breaks }) => breaks), "LG006", "LG008", "LG009", "LG012"]);
    expect([...tried].sort()).toEqual(codes.filter((code) => code.startsWith("LG") && code !== "LG010").sort());
  });
});
