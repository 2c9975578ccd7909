/** Ids, labels and names of files come from anybody: no verb hands a terminal what it would obey. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tableOf } from "./command-line.js";
import { createTestLedger, type TestLedger } from "./ledger-of-its-own.js";

/** Turns what follows around, then a separator of lines. */
const RUN = "run\u202edoog\u2028";
const SHOWN = "run\\u{202e}doog\\u{2028}";
/** Anything but line breaks of our own. */
const OBEYED = /(?!\n)[\p{Cc}\p{Cf}\u2028\u2029]/u;

let ledger: TestLedger;
let folder: string;
beforeAll(async () => {
  ledger = await createTestLedger();
  folder = await mkdtemp(join(tmpdir(), "agent-ledger-hostile-"));
  const answers = await ledger.apply([
    { op: "open_pool", operation_id: "h1", pool_id: RUN, channels: { tokens: { total: 5 } }, run: { label: RUN } },
    { op: "spawn", operation_id: "h2", pool_id: RUN, label: "\u200bsmall\u2029", budget: { tokens: 1 } },
    { op: "spawn", operation_id: "h3", pool_id: RUN, label: `${RUN} more`, budget: { tokens: 50 } },
  ]);
  expect(answers.map(({ status }) => status)).toEqual(["ok", "ok", "refused"]);
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await ledger.close();
});

describe("text from the ledger", () => {
  it.each([
    [["runs"], SHOWN],
    [["trajectory", RUN], "└── \\u{200b}small\\u{2029}"],
    [["breakdown", RUN], "driver inference"],
    [["pool", "show", RUN], `Pool ${SHOWN} (`],
    [["refusals"], `${SHOWN} more`],
    [["tail", "--no-follow", "--pool", RUN], `${SHOWN} #1  opened`],
    [["pool", "open", RUN], `agent-ledger: pool open ${SHOWN}: failed`],
    [["trajectory", `${RUN}x`], `has no run ${SHOWN}x`],
    [["pool", "freeze", "p", `${RUN}\u001b[2J`, RUN], "too many arguments"],
    [["pool", `burn\u001b[2J${RUN}`], `unknown command 'burn\\u{1b}[2J${SHOWN}'`],
  ])("%j shows it escaped", async (args, shown) => {
    const { stdout, stderr } = await ledger.run(...args);
    expect(stdout + stderr).toContain(shown);
    expect(stdout + stderr).not.toMatch(OBEYED);
  });

  it("keeps tables in line", async () => {
    const { stdout } = await ledger.run("runs");
    expect(tableOf(stdout, "Runs")[0]?.slice(0, 2)).toEqual([SHOWN, SHOWN]);
    const lines = stdout.split("\n").filter((line) => /^[┌│├└]/.test(line));
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  });

  it("is as it is in JSON", async () => {
    expect(await ledger.json("runs")).toMatchObject([{ run_id: RUN, label: RUN }]);
  });
});

it("names of files in the problems of an import are escaped, a line break in them too", async () => {
  const name = "a\nNothing was new\u001b[2J\u009b31m\u202e.jsonl";
  await writeFile(join(folder, name), "");
  await writeFile(join(folder, "good.jsonl"), "\n");
  const { stdout, stderr } = await ledger.run("import", "claude-code", folder);
  expect(stdout).toContain("\na\\u{a}Nothing was new\\u{1b}[2J\\u{9b}31m\\u{202e}.jsonl: a session's name");
  expect(stdout + stderr).not.toMatch(OBEYED);
  const document = await ledger.run("import", "claude-code", folder, "--json");
  expect(document.stdout).not.toMatch(/(?!\n)\p{Cc}/u);
  expect(JSON.parse(document.stdout).problems).toContainEqual(expect.objectContaining({ file: name }));
});
