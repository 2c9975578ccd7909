/** `export` and `verify-export`, as people and pipelines use them. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HISTORY, RUN } from "../examples/history.js";
import { createLoginRole } from "../setup/database.js";
import { run, runProcess, tableOf } from "./command-line.js";
import { createTestLedger, TENANT, type TestLedger } from "./ledger-of-its-own.js";

let ledger: TestLedger;
let folder: string;
beforeAll(async () => {
  ledger = await createTestLedger();
  folder = await mkdtemp(join(tmpdir(), "agent-ledger-export-"));
  await ledger.apply(HISTORY);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await ledger.close();
});

/** As somebody who has no database at all: asking for one would fail. */
const NO_DATABASE = { DATABASE_URL: "postgres://nobody@127.0.0.1:1/nowhere" };

const verify = (...args: string[]) => run(["verify-export", ...args], NO_DATABASE);

describe("export", () => {
  it("writes a file that verify-export proves without a database", async () => {
    const file = join(folder, "books.jsonl");
    const { code, stdout, stderr } = await ledger.run("export", "--out", file);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
    expect(stdout).toBe(`Exported: ${lines.length} lines to ${file}\nagent-ledger verify-export ${file} proves them\n`);
    const proof = await verify(file);
    expect(proof).toMatchObject({ code: 0, stderr: "" });
    const { sha256, exported_at } = await verify(file, "--json").then((outcome) => JSON.parse(outcome.stdout));
    const count = (type: string): number => lines.filter((line) => line.startsWith(`{"type":"${type}"`)).length;
    expect(proof.stdout).toBe(
      `Proven: tenant ${TENANT}, exported ${exported_at}\n` +
        `${count("pool")} pools, ${count("node")} nodes, 1 run, ${count("event")} events, blobs left out; sha256 ${sha256}\n`,
    );
    expect(JSON.parse(lines.at(-1) ?? "{}").sha256).toBe(sha256);
  });

  it("writes the same to standard output, packed where asked", async () => {
    const file = join(folder, "books.jsonl.gz");
    await ledger.run("export", "--run", RUN, "--gzip", "--out", file, "--blobs");
    const unpacked = gunzipSync(await readFile(file)).toString();
    const { code, stdout, stderr } = await runProcess(["export", "--run", RUN, "--blobs"], ledger.environment);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const timeless = (text: string): string => text.replace(/"(?:exported_at|sha256)":"[^"]*"/g, "");
    expect(timeless(stdout)).toBe(timeless(unpacked));
    expect(JSON.parse((await verify(file, "--json")).stdout)).toMatchObject({ proven: true, run: RUN, findings: [] });
    expect((await verify(file)).stdout).toMatch(/ events, \d+ blobs?; sha256 /);
  });

  it("says how much it wrote as JSON, and leaves nothing else behind", async () => {
    const file = join(folder, "again.jsonl");
    await writeFile(file, "of yesterday");
    const { lines } = await ledger.json<{ lines: number }>("export", "--out", file);
    expect((await readFile(file, "utf8")).trimEnd().split("\n")).toHaveLength(lines);
    expect((await readdir(folder)).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  it("wants a name for its file", async () => {
    expect(await ledger.run("export", "--out", "")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--out names a file"),
    });
  });

  it("is an auditor's to ask for", async () => {
    const url = await createLoginRole(ledger.database, { memberOf: "ledger_auditor", tenantId: TENANT });
    const { code, stdout } = await runProcess(["export"], { DATABASE_URL: url });
    const file = join(folder, "auditor.jsonl");
    await writeFile(file, stdout);
    expect({ code, verified: (await verify(file)).code }).toEqual({ code: 0, verified: 0 });
  });

  it("says what to do where there is no such run, or no such folder", async () => {
    expect(await ledger.failure("export", "--run", "nope")).toMatchObject({
      exit: 1,
      message: "Tenant acme has no run nope: agent-ledger runs lists those there are",
    });
    const file = join(folder, "missing", "books.jsonl");
    expect(await ledger.failure("export", "--out", file)).toMatchObject({
      exit: 1,
      message: expect.stringMatching(/^.*books\.jsonl cannot be written: ENOENT/),
    });
  });
});

describe("verify-export", () => {
  it("names what is wrong, with exit code 1", async () => {
    const file = join(folder, "forged.jsonl");
    await ledger.run("export", "--out", file);
    const text = await readFile(file, "utf8");
    await writeFile(
      file,
      text.replace(/("committed":")([1-9])/, (_, before, digit) => `${before}${10 - Number(digit)}9`),
    );
    const { code, stdout, stderr } = await verify(file);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    expect(tableOf(stdout, "What is wrong").map(([, rule]) => rule)).toEqual(
      expect.arrayContaining(["balance-differs-from-journal", "digest-differs"]),
    );
    expect(stdout).toContain("\nNot proven: tenant acme, exported ");
    const { proven, found, findings } = JSON.parse((await verify(file, "--json")).stdout);
    expect({ proven, found }).toEqual({ proven: false, found: findings.length });
    expect(findings[0]).toEqual({
      rule: "balance-differs-from-journal",
      line: expect.any(Number),
      pool_id: expect.any(String),
      channel: expect.any(String),
      detail: expect.stringMatching(/^committed is \d+, should be \d+$/),
    });
  });

  it.each([
    ["cut off", (packed: Buffer) => packed.subarray(0, -40), "archive-damaged"],
    ["empty", () => Buffer.alloc(0), "no-footer"],
    ["something else", () => Buffer.from([0xff, 0xfe, 10, 10]), "malformed"],
  ])("finds a file that is %s", async (_what, spoil, rule) => {
    const file = join(folder, "spoilt.gz");
    await ledger.run("export", "--gzip", "--out", file);
    await writeFile(file, spoil(await readFile(file)));
    const { code, stdout } = await verify(file, "--json");
    expect(code).toBe(1);
    expect(JSON.parse(stdout).findings.map((finding: { rule: string }) => finding.rule)).toContain(rule);
  });

  it("says that there is no such file, and knows a call that makes no sense", async () => {
    const missing = await verify(join(folder, "nothing"), "--json");
    expect(missing).toMatchObject({ code: 1, stdout: "" });
    expect(JSON.parse(missing.stderr).error.message).toMatch(/nothing cannot be read: ENOENT/);
    expect(await verify()).toMatchObject({ code: 2 });
  });

  it("shows a terminal nothing that it would obey", async () => {
    const file = join(folder, "hostile.jsonl");
    await writeFile(file, `{"type":"node","node_id":"a\\u001b[2J","driver":false,"hold":{}}\n`);
    const { stdout } = await verify(file);
    expect(stdout).toContain("a\\u{1b}[2J");
  });
});
