/** Every rule of the audit finds its fault: a healthy history is spoiled past all constraints that a superuser can walk past. */
import { readdirSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { Books, type Row } from "../books.js";
import { playHistory } from "../history.js";
import { useLedger } from "../ledger.js";
import { FAULTS } from "./audit-faults.js";

const ledger = useLedger();
let books: Books;

beforeAll(async () => {
  books = await Books.open(ledger.client);
  await playHistory(books);
});

/** The names of rules in the views that make up `ledger.audit`. */
function ruleNames(): string[] {
  const folder = new URL("../../../sql/views/", import.meta.url);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    /^audit.*\.sql$/.test(name),
  );
  const sql = files.map((name) => readFileSync(new URL(name, folder), "utf8").replaceAll(/--.*$/gm, "")).join("\n");
  return [...new Set([...sql.matchAll(/'([a-z]+(?:-[a-z]+)+)'/g)].map(([, name]) => name ?? ""))].sort();
}

/** What the audit says of the history with one fault in it, which is undone afterwards. */
async function auditWith(sql: string): Promise<Row[]> {
  const { client, tenantId } = books;
  await client.query("begin");
  try {
    await client.query("set local session_replication_role = replica");
    const literal = `'${tenantId}'`;
    const { rowCount } = await client.query(sql.replaceAll(/\bt\b(?!')/g, literal));
    expect(rowCount, "the fault concerns a row").toBeGreaterThan(0);
    return await books.audit();
  } finally {
    await client.query("rollback");
  }
}

describe("the audit", () => {
  it("says nothing of a healthy history", async () => {
    expect(await books.audit()).toEqual([]);
  });

  it.each(FAULTS)("$rule: $title", async ({ rule, pool, sql }) => {
    const found = await auditWith(sql);
    expect(found.map((row) => [row.rule, row.pool_id])).toContainEqual([rule, pool]);
    for (const row of found) {
      expect(row.tenant_id).toBe(books.tenantId);
      expect(row.detail).toBeTypeOf("object");
    }
  });

  it("has no rule without a fault here, and no fault of a rule that is gone", () => {
    expect([...new Set(FAULTS.map(({ rule }) => rule))].sort()).toEqual(ruleNames());
  });
});
