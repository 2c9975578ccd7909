/** The audit of books that somebody with a superuser's powers has spoilt. */
import { expect, it } from "vitest";
import { createTestLedger } from "./ledger-of-its-own.js";

it("prints what is wrong, and fails", async () => {
  const ledger = await createTestLedger();
  await ledger.apply([{ op: "open_pool", operation_id: "o", pool_id: "p", channels: { tokens: { total: 10 } } }]);
  const spoil = "update ledger_private.channels set total = total + $1, free = free + $1 where channel = 'tokens'";
  await ledger.database.pool.query(spoil, [5]);
  const table = await ledger.run("audit");
  const document = await ledger.run("audit", "--json");
  await ledger.database.pool.query(spoil, [-5]);
  expect(table.code).toBe(1);
  expect(table.stdout).toMatch(/│ p +│/);
  expect(table.stdout).toMatch(/Audit: [1-9]\d* findings/);
  expect(document.code).toBe(1);
  expect(JSON.parse(document.stdout)[0]).toMatchObject({ tenant_id: "acme", pool_id: "p" });
  await ledger.close();
});
