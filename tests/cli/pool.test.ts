/** The verbs that write budgets. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tableOf } from "./command-line.js";
import { createTestLedger, TENANT, type TestLedger } from "./ledger-of-its-own.js";

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
});
afterAll(() => ledger.close());

async function channels(pool: string): Promise<Record<string, [string | null, string | null]>> {
  const text = "select channel, total, free from ledger.channels where tenant_id = $1 and pool_id = $2";
  const { rows } = await ledger.database.pool.query(text, [TENANT, pool]);
  return Object.fromEntries(rows.map((row) => [row.channel, [row.total, row.free]]));
}

it("opens, funds, freezes, thaws and closes a pool and one below it", async () => {
  const opened = await ledger.run(
    ...[
      "pool",
      "open",
      "month",
      "--tokens",
      "1000",
      "--usd",
      "20.50",
      "--resource",
      "gpu_seconds=60",
      "--resource",
      "disk=1",
    ],
    ...["--deadline-ms", "3600000", "--max-depth", "2"],
  );
  expect(opened).toEqual({
    code: 0,
    stdout: "Pool month is open. Look at it: agent-ledger pool show month\n",
    stderr: "",
  });
  expect(await channels("month")).toEqual({
    tokens: ["1000", "1000"],
    iterations: [null, null],
    usd: ["20.5", "20.5"],
    gpu_seconds: ["60", "60"],
    disk: ["1", "1"],
  });

  const below = await ledger.json<{ status: string }>(
    ...["pool", "open", "run-1", "--parent", "month", "--tokens", "400", "--usd", "8", "--run", "First run"],
  );
  expect(below).toMatchObject({ status: "ok", code: null, result: { pool_id: "run-1" } });
  expect((await channels("month")).tokens).toEqual(["1000", "600"]);

  const funded = await ledger.run("pool", "fund", "month", "tokens=500", "usd=-0.50");
  expect(funded.stdout).toBe("Pool month: tokens +500, usd -0.50\n");
  expect(await channels("month")).toMatchObject({ tokens: ["1500", "1100"], usd: ["20", "12"] });

  expect((await ledger.run("pool", "freeze", "month", "--reason", "spent too fast")).stdout).toBe(
    "Pool month is frozen\n",
  );
  expect(
    await ledger.failure("pool", "open", "run-2", "--parent", "month", "--tokens", "1", "--usd", "1"),
  ).toMatchObject({
    exit: 1,
    code: "pool-frozen",
    message: "pool open run-2: refused",
    hint: "agent-ledger pool thaw <pool> lets it go on",
  });
  expect((await ledger.run("pool", "thaw", "month")).stdout).toBe("Pool month is open\n");

  const closed = await ledger.run("pool", "close", "run-1");
  expect(closed.stdout).toMatch(/^Pool run-1 is closed; returned to its parent: /);
  expect((await channels("month")).tokens).toEqual(["1500", "1500"]);
  const { stdout } = await ledger.run("pool", "show", "month");
  expect(tableOf(stdout, "Pool month").map((row) => row[0])).toEqual([
    "tokens",
    "iterations",
    "usd",
    "disk",
    "gpu_seconds",
  ]);
  expect(stdout).toContain("░░░░░░░░░░░░░░░░░░░░");
});

describe("a refusal or an error", () => {
  it("says what was short and what to do, and fails", async () => {
    await ledger.run("pool", "open", "small", "--tokens", "10");
    const refused = await ledger.run("pool", "fund", "small", "tokens=-25");
    expect(refused).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "agent-ledger: pool fund small: refused, tokens: 25 asked, 10 free (not-free)\n" +
        "  take back at most what is free; agent-ledger pool show <pool> prints what there is\n",
    });
    expect(await ledger.failure("pool", "fund", "nobody", "tokens=1")).toMatchObject({ exit: 1, code: "LG002" });
    expect(await ledger.failure("pool", "open", "small")).toMatchObject({ exit: 1, code: "LG011" });
    expect(await ledger.failure("pool", "open", "odd", "--tokens", "1.5")).toMatchObject({
      exit: 1,
      code: "LG001",
      message: expect.stringContaining("channels.tokens.total"),
    });
  });

  it("is answered again to the same operation id, which books nothing twice", async () => {
    const fund = ["pool", "fund", "small", "tokens=5", "--operation-id", "once"];
    expect(await ledger.json(...fund)).toMatchObject({ status: "ok" });
    expect(await ledger.json(...fund)).toMatchObject({ status: "replayed", code: null });
    expect((await channels("small")).tokens).toEqual(["15", "15"]);
    expect(await ledger.failure("pool", "fund", "small", "tokens=6", "--operation-id", "once")).toMatchObject({
      code: "LG005",
    });
  });
});

describe("a call that makes no sense", () => {
  it.each([
    [["pool", "fund", "small"], "missing required argument 'amount'"],
    [["pool", "fund", "small", "tokens"], "it is name=amount"],
    [["pool", "fund", "small", "tokens=1", "tokens=2"], "tokens is named twice"],
    [["pool", "open", "x", "--usd", "1,5"], "It is a decimal number"],
    [["pool", "open", "x", "--tokens", "10", "--resource", "tokens=5"], "tokens is given by --tokens"],
    [["pool", "open", "x", "--resource", "iterations=5"], "iterations is given by --iterations"],
    [["pool", "open", "x", "--resource", "usd=5"], "usd is given by --usd"],
    [["pool", "open", "x", "--resource", "gpu=5", "--resource", "gpu=6"], "gpu is named twice"],
    [["pool", "open", "x", "--max-depth", "-1"], "It is a whole number from 0"],
    [["expire", "--every", "0"], "It is a number of seconds"],
    [["import", "claude-code", ".", "--budget", "tokens"], "it is name=amount"],
    [["pool", "burn", "x"], "unknown command 'burn'"],
    [["runs", "--wrong"], "unknown option '--wrong'"],
    [["runs", "too", "many"], "too many arguments"],
  ])("%j exits with 2 and says what is wrong", async (args, message) => {
    const { code, stdout, stderr } = await ledger.run(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^error: .*\n\(--help says what there is\)\n$/s);
    expect(stderr).toContain(message);
    expect(await ledger.failure(...args)).toEqual({
      exit: 2,
      code: "usage",
      message: expect.stringContaining(message),
      hint: "--help says what there is",
    });
  });

  it("is one line of JSON wherever --json stands, and help stays help", async () => {
    for (const args of [["runs", "--json", "extra"], ["--json"], ["--json", "runs"], ["pool", "--json"]]) {
      const { code, stdout, stderr } = await ledger.run(...args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toMatch(/^\{.*\}\n$/);
      expect(JSON.parse(stderr).error).toMatchObject({ code: "usage", message: expect.not.stringMatching(/^error/) });
    }
    expect(await ledger.failure("help", "nope")).toMatchObject({ exit: 2, message: "there is no such verb" });
    const help = await ledger.run("runs", "--help", "--json");
    expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining("Usage: agent-ledger runs"), stderr: "" });
  });
});
