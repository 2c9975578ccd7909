/** `start` on the sessions that come with the package, in an embedded ledger and in a database given. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../src/database/connect.js";
import { readmeBlocks } from "../examples/readme.js";
import { createLoginRole, createTestDatabase } from "../setup/database.js";
import { begin, type Outcome, run, runProcess, tableOf } from "./command-line.js";

let folder: string;
let environment: { AGENT_LEDGER_DIR: string };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-ledger-"));
  // The server may run as another account, which must be able to enter.
  await chmod(folder, 0o755);
  environment = { AGENT_LEDGER_DIR: join(folder, "ledger") };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The sources of the session shown: calls, input, output, dollars. */
function figures({ stdout }: Outcome): (string | undefined)[][] {
  return tableOf(stdout, "Where the run's spend comes from").map((row) => [row[0], row[1], row[2], row[5], row[6]]);
}

const SHOWN = [
  ["driver inference", "153", "15,290,519", "38,905", "~10.64248375"],
  ["├── turns", "152", "15,121,271", "38,899", "~10.543396"],
  ["└── compaction", "1", "169,248", "6", "~0.09908775"],
  ["child work", "3", "76,350", "3", "~0.1684977"],
  ["total", "156", "15,366,869", "38,908", "~10.81098145"],
];

describe("start", () => {
  it("makes an embedded ledger, imports the sample and shows it; a second start changes no figure", async () => {
    const first = await runProcess(["start"], environment);
    expect(first).toMatchObject({ code: 0 });
    expect(figures(first)).toEqual(SHOWN);
    expect(first.stdout).toContain("547 calls were new, 0 were corrected");
    expect(first.stdout).toContain("└── agent-a881341");
    expect(first.stdout).toContain("Its last 5 events");
    expect(first.stdout).toContain("Audit: 0 findings");
    expect(tableOf(first.stdout, "Dollars, estimated from genai-prices@").at(-1)).toEqual([
      "total",
      "0",
      "~27.1926911",
      "1",
    ]);
    expect(first.stdout).toContain("Equal compute? Experiment memory: equal\n");
    expect(first.stdout).toContain("Experiment model-size: unequal: the spread is larger");
    expect(first.stdout).toContain("Experiment retries: inconclusive: usage is unknown");
    expect(first.stdout).toContain("npx agent-ledger trajectory");

    const [screen = ""] = readmeBlocks("").filter((text) => text.startsWith("Runs\n"));
    for (const part of screen.split("\n\n")) expect(first.stdout, "the README shows it").toContain(part.trimEnd());

    const second = await runProcess(["start"], environment);
    expect(second).toMatchObject({ code: 0 });
    expect(second.stdout).toContain("Nothing was new");
    const rest = ({ stdout }: Outcome): string => stdout.slice(stdout.indexOf("\nRuns"));
    expect(rest(second)).toBe(rest(first));
  });

  it("with --keep lets others work beside it, and ends at a signal", async () => {
    const keeping = begin(["start", "--keep"], environment);
    const [, url] = /psql '(.+)'/.exec(await keeping.until(/psql '.+'\n/)) ?? [];
    const client = await connect(String(url));
    const text = "select count(*)::int as runs, current_user <> 'postgres' as plain from ledger.runs";
    expect((await client.query(text)).rows).toEqual([{ runs: 52, plain: true }]);
    await client.end();

    const { code, stdout, stderr } = await run(["start", "--json"], environment);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ tenant_id: "local", import: { totals: { calls: 547, new: 0 } }, audit: [] });
    expect(document.runs).toHaveLength(4);
    expect(document.runs[0]).toMatchObject({ calls: "18", calls_known: false, tokens_known: false });
    expect(document.breakdown.sources[0]).toMatchObject({
      input_tokens: "15290519",
      output_tokens: "38905",
      usd_known: false,
    });
    expect(document.breakdown.by_model).toMatchObject([
      { model: "claude-opus-4-6", calls: "153", usd: "10.64248375" },
      { model: "claude-sonnet-4-5-20250929", calls: "3", usd: "0.1684977" },
    ]);
    expect(document.tail).toHaveLength(5);
    expect(document.gates.map((gate: { rows: { verdict: string }[] }) => gate.rows.at(-1)?.verdict)).toEqual([
      ...["equal", "unequal", "inconclusive"],
    ]);
    expect(await run(["migrate", "--json"], environment)).toMatchObject({ code: 0, stderr: "" });
    expect(await run(["tenant", "create", "second"], environment)).toMatchObject({ code: 0, stderr: "" });
    const elsewhere = await run(["runs", "--tenant", "second"], environment);
    expect(elsewhere.stdout).toBe("No run yet. agent-ledger import claude-code <folder> imports sessions\n");

    keeping.child.kill("SIGTERM");
    expect(await keeping.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/Stopped\n$/) });
  });

  it("works in a database given, as its superuser and as a tenant's writer, and keeps no server that is not its own", async () => {
    const database = await createTestDatabase();
    const given = { DATABASE_URL: database.url };
    const started = await run(["start", "--tenant", "acme"], given);
    expect(started).toMatchObject({ code: 0 });
    expect(figures(started)).toEqual(SHOWN);
    expect(started.stdout).toContain("npx agent-ledger usage --tenant acme");
    const writer = { DATABASE_URL: await createLoginRole(database, { memberOf: "ledger_writer", tenantId: "acme" }) };
    const again = await run(["start"], writer);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining("Nothing was new") });
    const own = ["--tenant", "own"];
    expect(await run(["tenant", "create", "own"], given)).toMatchObject({ code: 0 });
    expect(await run(["pool", "open", "p", ...own], given)).toMatchObject({ code: 0 });
    const refused = await run(["start", ...own], given);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("Tenant own has books of its own") });
    expect(JSON.parse((await run(["runs", "--json", ...own], given)).stdout)).toEqual([]);
    expect(await run(["start", "--keep"], given)).toMatchObject({
      code: 2,
      stderr: "agent-ledger: --keep is for the embedded server; that of DATABASE_URL runs by itself\n",
    });
    await database.drop();
  });
});
