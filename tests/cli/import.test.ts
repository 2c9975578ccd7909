/** `import claude-code`: what it says of good input and of bad. */
import { appendFile, cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { tableOf } from "./command-line.js";
import { createTestLedger, type TestLedger } from "./ledger-of-its-own.js";

const SAMPLE = fileURLToPath(new URL("../../src/sample/claude-code", import.meta.url));
const SESSION = "258c7280-ae70-4798-800f-63464d01a85d";

let ledger: TestLedger;
let folder: string;
beforeAll(async () => {
  ledger = await createTestLedger();
  folder = await mkdtemp(join(tmpdir(), "agent-ledger-import-"));
  await cp(SAMPLE, folder, { recursive: true });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await ledger.close();
});

it("imports one session under a budget, tells of problems, then all of them, and adds nothing twice", async () => {
  const file = join(folder, `${SESSION}.jsonl`);
  await appendFile(file, '{"type":"assist');
  const imported = await ledger.run("import", "claude-code", file, "--budget", "tokens=20000000,usd=50", "--final");
  expect(imported).toMatchObject({ code: 0 });
  expect(tableOf(imported.stdout, "Imported from")).toEqual([[SESSION, "3", "156", "156", "0", "0", "0", "1", "1"]]);
  expect(imported.stdout).toMatch(new RegExp(`^${SESSION}\\.jsonl:\\d+: `, "m"));
  expect(imported.stdout).toContain("156 calls were new, 0 were corrected");
  const shown = await ledger.json<{ channels: object[] }>("pool", "show", SESSION);
  expect(shown.channels).toMatchObject([
    { channel: "tokens", total: "20000000", committed: "15405777" },
    { channel: "iterations", total: null },
    { channel: "usd", total: "50", committed: "0", measured: false },
  ]);

  const all = await ledger.json<{ totals: object }>("import", "claude-code", folder, "--final");
  expect(all.totals).toMatchObject({ sessions: 4, calls: 547, new: 391 });
  expect((await ledger.run("import", "claude-code", folder)).stdout).toMatch(/^Nothing was new$/m);
  const runs = tableOf((await ledger.run("runs")).stdout, "Runs");
  expect(runs.map((row) => [row[0], row[4], row[5], row[6], row[7]])).toEqual([
    ["6c2214d7-b87e-4432-8e41-22ba294ea584", "18 ?", "497,515 ?", "28 ?", "unknown"],
    [SESSION, "156", "15,366,869", "38,908", "unknown"],
    ["ae4a77f8-aedd-4bc1-888f-c94edc91af04", "221", "16,981,021", "49,482", "unknown"],
    ["4d5611e5-241a-462a-8d15-5122611a9569", "152", "12,947,261", "28,899", "unknown"],
  ]);
});

it("says what to do where there is no session", async () => {
  const { code, stderr } = await ledger.run("import", "claude-code", join(folder, "nowhere"));
  expect(code).toBe(1);
  expect(stderr).toMatch(/^agent-ledger: .*nowhere/);
  expect(stderr).not.toContain("    at ");
});
