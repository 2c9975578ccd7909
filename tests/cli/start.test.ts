/** `start` and `import` on the sessions that come with the package, in an embedded ledger and in a database given. */
import { chmod, cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../../src/database/connect.js";
import { createTestDatabase } from "../setup/database.js";
import { begin, type Outcome, run, tableOf } from "./command-line.js";

const SAMPLE = fileURLToPath(new URL("../../src/sample/claude-code", import.meta.url));
const SESSION = "258c7280-ae70-4798-800f-63464d01a85d";

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
  ["driver inference", "153", "15,290,519", "38,905", "unknown"],
  ["├── turns", "152", "15,121,271", "38,899", "unknown"],
  ["└── compaction", "1", "169,248", "6", "unknown"],
  ["child work", "3", "76,350", "3", "unknown"],
  ["total", "156", "15,366,869", "38,908", "unknown"],
];

describe("start", () => {
  it("makes an embedded ledger, imports the sample and shows it; a second start changes no figure", async () => {
    const first = await run(["start"], environment);
    expect(first).toMatchObject({ code: 0 });
    expect(figures(first)).toEqual(SHOWN);
    expect(first.stdout).toContain("547 calls were new, 0 were corrected");
    expect(first.stdout).toContain("└── agent-a881341");
    expect(first.stdout).toContain("The last 5 events");
    expect(first.stdout).toContain("Audit: 0 findings");
    expect(first.stdout).toContain("npx agent-ledger trajectory");

    const second = await run(["start"], environment);
    expect(second).toMatchObject({ code: 0 });
    expect(second.stdout).toContain("Nothing was new");
    const rest = ({ stdout }: Outcome): string => stdout.slice(stdout.indexOf("\nRuns"));
    expect(rest(second)).toBe(rest(first));
  });

  it("answers one JSON document with the same figures", async () => {
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
      { model: "claude-opus-4-6", calls: "153", usd: null },
      { model: "claude-sonnet-4-5-20250929", calls: "3", usd: null },
    ]);
    expect(document.tail).toHaveLength(5);
  });

  it("with --keep lets others work beside it, and ends at a signal", async () => {
    const keeping = begin(["start", "--keep"], environment);
    const [, url] = /psql '(.+)'/.exec(await keeping.until(/psql '.+'\n/)) ?? [];
    const client = await connect(String(url));
    const { rows } = await client.query(
      "select count(*)::int as runs, current_user <> 'postgres' as plain from ledger.runs",
    );
    await client.end();
    expect(rows).toEqual([{ runs: 4, plain: true }]);
    const beside = await run(["trajectory", SESSION], environment);
    expect(beside).toMatchObject({ code: 0, stderr: "" });
    keeping.child.kill("SIGTERM");
    expect(await keeping.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/Stopped\n$/) });
  });

  it("works in a database given, whoever may migrate it, and keeps no server that is not its own", async () => {
    const database = await createTestDatabase();
    const given = { DATABASE_URL: database.url };
    const started = await run(["start", "--tenant", "acme"], given);
    expect(started).toMatchObject({ code: 0 });
    expect(figures(started)).toEqual(SHOWN);
    expect(started.stdout).toContain("npx agent-ledger usage --tenant acme");
    expect(await run(["start", "--keep"], given)).toMatchObject({
      code: 2,
      stderr: "agent-ledger: --keep is for the embedded server; that of DATABASE_URL runs by itself\n",
    });
    await database.drop();
  });
});

describe("import claude-code", () => {
  it("imports a session's file under a budget, tells of problems, and adds nothing twice", async () => {
    const project = join(folder, "project");
    await cp(SAMPLE, project, { recursive: true });
    await writeFile(join(project, `${SESSION}.jsonl`), '{"type":"assist', { flag: "a" });
    const file = join(project, `${SESSION}.jsonl`);
    const budget = ["--budget", "tokens=20000000,usd=50"];
    const imported = await run(["import", "claude-code", file, ...budget, "--tenant", "team"], environment);
    expect(imported).toMatchObject({ code: 0 });
    expect(tableOf(imported.stdout, "Imported from")).toEqual([[SESSION, "3", "156", "156", "0", "0", "0", "1", "1"]]);
    expect(imported.stdout).toContain(`${SESSION}.jsonl:`);
    const shown = await run(["pool", "show", SESSION, "--json", "--tenant", "team"], environment);
    expect(JSON.parse(shown.stdout).channels).toMatchObject([
      { channel: "tokens", total: "20000000", committed: "15405777" },
      { channel: "iterations", total: null },
      { channel: "usd", total: "50", committed: "0", measured: false },
    ]);
    const again = await run(["import", "claude-code", project, "--final", "--json", "--tenant", "team"], environment);
    expect(JSON.parse(again.stdout).totals).toMatchObject({ sessions: 4, calls: 547, new: 391 });
  });

  it("says what to do where there is no session", async () => {
    const { code, stderr } = await run(["import", "claude-code", join(folder, "nowhere")], environment);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^agent-ledger: .*nowhere/);
    expect(stderr).not.toContain("    at ");
  });
});
