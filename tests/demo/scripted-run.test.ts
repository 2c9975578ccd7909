import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { HISTORY, TENANT } from "../../src/demo/history.js";
import { readmeBlocks } from "../examples/readme.js";
import { createTestDatabase, type TestDatabase } from "../setup/database.js";

const SCRIPT = fileURLToPath(new URL("../../src/demo/scripted-run.ts", import.meta.url));

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
  // The role outlives the database; where the server is somebody's own, it goes as it came.
  const other = await createTestDatabase();
  await other.pool.query("drop role if exists agent_ledger_demo");
  await other.drop();
});

async function play(): Promise<string> {
  const env = { ...process.env, DATABASE_URL: database.url };
  return (await promisify(execFile)(process.execPath, ["--import", "tsx", SCRIPT], { env })).stdout;
}

it("prints books that add up, and moves nothing when it is played again", { timeout: 60_000 }, async () => {
  const [first, second] = [await play(), await play()];
  expect(first).toContain(`${HISTORY.length} operations, ${HISTORY.length - 1} ok, 1 refused, 0 replayed`);
  expect(second).toContain(`${HISTORY.length} operations, 0 ok, 0 refused, ${HISTORY.length} replayed`);
  const figures = (output: string): string => output.slice(output.indexOf("Balances"));
  expect(figures(second)).toBe(figures(first));
  expect(first).toContain("Audit: 0 findings");
  const [screen = ""] = readmeBlocks("").filter((text) => text.startsWith(`Tenant ${TENANT}`));
  for (const part of screen.split("\n\n")) expect(first, "the README shows what is printed").toContain(part.trimEnd());
});

it("counts every dollar once: what the month paid is what the nodes spent", async () => {
  const { rows } = await database.pool.query(
    `select c.committed, t.rolled_up_usd as tree, b.usd as breakdown
     from ledger.channels c
     join ledger.runs r on r.tenant_id = c.tenant_id
     join ledger.trajectory t on t.tenant_id = r.tenant_id and t.run_id = r.run_id and t.depth = 0
     join ledger.spent_breakdown b on b.tenant_id = r.tenant_id and b.run_id = r.run_id and b.source = 'total'
     where c.tenant_id = $1 and c.pool_id = '2026-11' and c.channel = 'usd'`,
    [TENANT],
  );
  expect(rows).toEqual([{ committed: "0.6497", tree: "0.6497", breakdown: "0.6497" }]);
});
