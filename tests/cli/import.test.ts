/** `import claude-code` and `import arms`: what they say of good input and of bad. */
import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { tableOf } from "./command-line.js";
import { createTestLedger, type TestLedger } from "./ledger-of-its-own.js";

const SAMPLE = fileURLToPath(new URL("../../src/sample/claude-code", import.meta.url));
const SESSION = "258c7280-ae70-4798-800f-63464d01a85d";

const ARMS = fileURLToPath(new URL("../../src/sample/arms/arms.jsonl", import.meta.url));

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

  expect(imported.stderr).toMatch(/^No price book is in use, .* agent-ledger prices import/);
  const all = await ledger.run("import", "claude-code", folder, "--final", "--json");
  expect(JSON.parse(all.stderr)).toEqual({ notice: { message: expect.stringMatching(/^No price book is in use/) } });
  expect(JSON.parse(all.stdout).totals).toMatchObject({ sessions: 4, calls: 547, new: 391 });
  const again = await ledger.run("import", "claude-code", folder);
  expect(again).toMatchObject({ stderr: "", stdout: expect.stringMatching(/^Nothing was new$/m) });
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

it("imports results by experiment and arm, nothing twice, and fails where a line changed", async () => {
  const imported = await ledger.run("import", "arms", ARMS);
  expect(imported).toMatchObject({ code: 0, stderr: "" });
  expect(tableOf(imported.stdout, "Imported from")).toEqual([
    ["memory", "none", "8", "115,000", "0.459", "3", "0"],
    ["memory", "notes", "8", "116,800", "0.4656", "7", "0"],
    ["memory", "index", "8", "104,900", "0.41238", "4", "1"],
    ["model-size", "small", "6", "60,000", "0.0824", "2", "0"],
    ["model-size", "large", "6", "61,000", "0.2526", "4", "0"],
    ["retries", "one-shot", "6", "48,700", "0.1773", "3", "0"],
    ["retries", "retry", "6", "49,700", "0.1518 ?", "6", "0"],
  ]);
  expect(imported.stdout).toContain("48 runs were new, 0 were there already");
  expect((await ledger.run("import", "arms", ARMS)).stdout).toContain("0 runs were new, 48 were there already");

  const changed = join(folder, "changed.jsonl");
  await writeFile(changed, (await readFile(ARMS, "utf8")).replace('"output_tokens": 900', '"output_tokens": 901'));
  const again = await ledger.run("import", "arms", changed);
  expect(again.code).toBe(1);
  expect(again.stdout).toMatch(
    /^line 2: was imported with other figures; correct it with the operation `correct` \(of: arms:/m,
  );
  expect(again.stdout).toContain("0 runs were new, 47 were there already, 1 were not taken");
});

it("writes nothing of a file of results with mistakes, tells the first twenty, and all of them with --json", async () => {
  const file = join(folder, "mistakes.jsonl");
  await writeFile(file, `${JSON.stringify({ experiment: "x", arm: "a", task: "t" })}\n`.repeat(12));
  const refused = await ledger.run("import", "arms", file);
  expect(refused).toMatchObject({ code: 1, stderr: "" });
  expect(refused.stdout.split("\n").filter((text) => text.startsWith("line "))).toHaveLength(20);
  expect(refused.stdout).toMatch(/^line 1: input_tokens: is required: /m);
  expect(refused.stdout).toMatch(/^4 more problems: --json lists them\nNothing was written: /m);
  const { code, stdout } = await ledger.run("import", "arms", file, "--json");
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ valid: false, new: 0, problems: { length: 24 } });
  expect((await ledger.run("import", "arms", join(folder, "nowhere"))).stderr).toMatch(
    /nowhere cannot be read \(ENOENT\)/,
  );
});

it("imports results under a pool, which says what it has no room for", async () => {
  await ledger.run("pool", "open", "lab", "--tokens", "150");
  const file = join(folder, "under.jsonl");
  const line = { experiment: "under", arm: "a", input_tokens: 100, output_tokens: 0, usd: 0 };
  await writeFile(file, [1, 2].map((n) => JSON.stringify({ ...line, task: `t${n}` })).join("\n"));
  const { code, stdout } = await ledger.run("import", "arms", file, "--parent", "lab");
  expect(code).toBe(1);
  expect(stdout).toContain("line 2: not imported: refused, budget-exhausted, tokens: 100 asked, 50 free");
  expect(stdout).toContain("1 runs were new, 0 were there already, 1 were not taken");
  expect((await ledger.failure("import", "arms", file, "--parent", "none")).message).toContain("There is no pool none");
});
