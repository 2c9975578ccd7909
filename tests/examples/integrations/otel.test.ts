/** The example of OpenTelemetry, as a newcomer runs it: a receiver, a program that sends to it, and what the ledger has then. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { begin, run } from "../../cli/command-line.js";
import { createLoginRole, createTestDatabase, type TestDatabase } from "../../setup/database.js";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const PROGRAM = fileURLToPath(new URL("otel.ts", import.meta.url));

let database: TestDatabase;
let environment: { readonly DATABASE_URL: string };
beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query("select ledger.create_tenant('local')");
  environment = { DATABASE_URL: await createLoginRole(database, { memberOf: "ledger_writer", tenantId: "local" }) };
});
afterAll(() => database?.drop());

it("a program's spans are in the pool, the supervised run once, and the README shows the line that traces it", async () => {
  expect((await run(["pool", "open", "shop", "--tokens", "10000"], environment)).code).toBe(0);
  const receiver = begin(["receive", "otel", "--pool", "shop", "--port", "0"], environment);
  const [, url = ""] = /Receiving at (\S+)\/v1\/traces\n/.exec(await receiver.until(/Receiving at \S+\n/)) ?? [];
  const env = { ...process.env, ...environment, OTEL_EXPORTER_OTLP_ENDPOINT: url };
  const args = ["--import", "tsx", PROGRAM];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: ROOT, env });
  expect(stderr).toBe("");
  // Three calls of 540 tokens and a worker of 1,200; the call of the AI SDK took 1,500.
  expect(stdout.trimEnd().split("\n")).toEqual([
    "run: winner 2820 tokens 0.01 dollars",
    "pool: 8500 tokens left of 10000",
  ]);
  receiver.child.kill("SIGTERM");
  expect(await receiver.ended).toMatchObject({
    code: 0,
    stderr: "",
    stdout: expect.stringContaining("1 model calls and 0 tool calls were new, 0 spans were not taken"),
  });
  expect((await database.pool.query("select * from ledger.audit")).rows).toEqual([]);

  const readme = readFileSync(fileURLToPath(new URL("../../../README.md", import.meta.url)), "utf8");
  const section = readme.split("### OpenTelemetry\n")[1]?.split("\n### ")[0] ?? "";
  expect(section.trim().split("\n").length).toBeLessThanOrEqual(13);
  const [, shown = ""] = /```typescript\n(.*?)\n```/s.exec(section) ?? [];
  expect(shown).not.toBe("");
  for (const line of shown.split("\n")) expect(readFileSync(PROGRAM, "utf8")).toContain(line);
});
