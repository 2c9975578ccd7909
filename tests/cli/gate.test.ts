/** `gate` and `plan`: verdicts in words and in exit codes. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tableOf } from "./command-line.js";
import { createTestLedger, type TestLedger } from "./ledger-of-its-own.js";

let ledger: TestLedger;
let folder: string;

/** A run with one turn, and what became of it. */
function run(experiment: string, arm: string, task: string | undefined, tokens: number, more: object = {}): object[] {
  const id = `${experiment}/${arm}/${task}`;
  const spend = { iterations: 0, input_tokens: tokens, output_tokens: 0, usd: "0.5", ...more };
  return [
    {
      op: "open_pool",
      operation_id: `open ${id}`,
      pool_id: id,
      channels: {},
      run: { label: id, experiment, arm, task },
    },
    { op: "meter", operation_id: `meter ${id}`, pool_id: id, spend },
    { op: "judge", operation_id: `judge ${id}`, run_id: id, resolved: arm === "a", infra: task === "infra" },
  ];
}

beforeAll(async () => {
  ledger = await createTestLedger();
  folder = await mkdtemp(join(tmpdir(), "gate-"));
  await writeFile(join(folder, "plan.md"), "compare a with b");
  const operations = [
    ...[run("even", "a", "t", 100), run("even", "b", "t", 103)],
    ...[run("even", "a", "infra", 9000), run("even", "b", "infra", 1)],
    ...[run("uneven", "a", 't,"1"', 100), run("uneven", "b", 't,"1"', 200)],
    ...[run("uneven", "a", undefined, 7), run("uneven", "b", undefined, 7)],
    ...[run("unsure", "a", "t", 100), run("unsure", "b", "t", 100, { usd: undefined, usd_known: false })],
  ];
  const answers = await ledger.apply(operations.flat());
  expect(answers.filter(({ status }) => status !== "ok")).toEqual([]);
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await ledger?.close();
});

describe("exit codes", () => {
  it.each([
    [0, ["even"]],
    [0, ["uneven", "--tolerance", "1"]],
    [0, ["even", "--by", "task"]],
    [0, ["even", "--compare", "a", "b"]],
    [10, ["uneven"]],
    [10, ["uneven", "--csv"]],
    [10, ["uneven", "--by", "task", "--json"]],
    [10, ["uneven", "--compare", "a", "b"]],
    [11, ["unsure"]],
    [11, ["unsure", "--json"]],
    [11, ["unsure", "--by", "task", "--csv"]],
    [11, ["unsure", "--compare", "a", "b", "--json"]],
    [1, ["nothing"]],
    [1, ["even", "--compare", "a", "nobody"]],
    [1, ["even", "--tenant", "another"]],
    [2, []],
    [2, ["even", "--tolerance", "2"]],
    [2, ["even", "--tolerance", "much"]],
    [2, ["even", "--by", "arm"]],
    [2, ["even", "--csv", "--json"]],
    [2, ["even", "--compare", "a"]],
    [2, ["even", "--compare", "a", "b", "c"]],
    [2, ["even", "--by", "task", "--compare", "a", "b"]],
    [2, ["even", "--csv", "--compare", "a", "b"]],
  ])("%i: gate %j", async (code, args) => {
    const outcome = await ledger.run("gate", ...args);
    expect({ code: outcome.code, failed: outcome.stderr !== "" }).toEqual({ code, failed: code === 1 || code === 2 });
  });
});

it("says the verdict in words, the arms, what was left out, and the outcomes", async () => {
  const { stdout } = await ledger.run("gate", "even", "--compare", "a", "b");
  expect(stdout).toMatch(/^Gate even: equal\n/);
  expect(tableOf(stdout, "Channels (tolerance 0.05)")).toEqual([
    ["tokens", "equal", "–", "3", "101.5", "0.029556650246"],
    ["usd", "equal", "–", "0", "0.5", "0"],
    ["all", "equal", "–", "–", "–", "–"],
  ]);
  expect(tableOf(stdout, "Arms")).toEqual([
    ["a", "1", "1", "0", "0", "100", "0.5", "0"],
    ["b", "1", "1", "0", "0", "103", "0.5", "0"],
  ]);
  expect(tableOf(stdout, "Left out")).toEqual([
    ["a", "even/a/infra", "infra", "–", "infra", "0", "9,000", "0.5", "0"],
    ["b", "even/b/infra", "infra", "–", "infra", "0", "1", "0.5", "0"],
  ]);
  expect(stdout).toContain("Plan: none\n");
  expect(tableOf(stdout, "Outcomes")).toEqual([
    ["a", "1", "0", "0", "1", "1"],
    ["b", "1", "0", "0", "0", "0"],
  ]);
  expect(tableOf(stdout, "Pairs")).toEqual([["1", "0", "1", "0", "0", "1"]]);
});

it("says why a comparison is refused, and which nodes are in the way", async () => {
  const { stdout } = await ledger.run("gate", "unsure", "--compare", "a", "b");
  expect(stdout).toMatch(/^Gate unsure: inconclusive: usage is unknown, .* \(unknown-usage\)\n/);
  expect(stdout).toContain("In the way in arm b: unsure/b/t\n");
  expect(stdout).toMatch(/Comparison of a and b: refused, because the gate is inconclusive: .*\(unknown-usage\)\n/);
});

it("prints the rows as comma-separated values", async () => {
  expect((await ledger.run("gate", "even", "--csv")).stdout).toBe(
    "channel,verdict,reason,spread,median,fraction,tolerance\r\n" +
      "tokens,equal,,3,101.5,0.029556650246,0.05\r\nusd,equal,,0,0.5,0,0.05\r\nall,equal,,,,,0.05\r\n",
  );
  const lines = (await ledger.run("gate", "uneven", "--by", "task", "--csv")).stdout.split("\r\n");
  expect(lines).toEqual([
    "task,channel,verdict,reason,spread,median,fraction,tolerance",
    ",tokens,equal,,0,7,0,0.05",
    ",usd,equal,,0,0.5,0,0.05",
    ",all,equal,,,,,0.05",
    '"t,""1""",tokens,unequal,over-tolerance,100,150,0.666666666667,0.05',
    '"t,""1""",usd,equal,,0,0.5,0,0.05',
    '"t,""1""",all,unequal,over-tolerance,,,,0.05',
    "",
  ]);
});

it("answers as one JSON document", async () => {
  const document = JSON.parse((await ledger.run("gate", "uneven", "--json")).stdout);
  expect(document).toMatchObject({ experiment: "uneven", verdict: "unequal", reason: "over-tolerance", plan: null });
  expect(document.channels).toHaveLength(3);
  const byTask = JSON.parse((await ledger.run("gate", "uneven", "--json", "--by", "task")).stdout);
  expect(byTask).toMatchObject({
    verdict: "unequal",
    tasks: [{ task: null, verdict: "equal" }, { verdict: "unequal" }],
  });
});

describe("plan", () => {
  it("registers the bytes of a file once, and the gate says that spend came first", async () => {
    const file = join(folder, "plan.md");
    const registered = (which: string): string => `Experiment even has ${which}, in pool experiment:even`;
    const once = "A plan is registered once: agent-ledger gate even shows it";
    const plan = await ledger.json<{ planRef: string }>("plan", "even", file);
    expect(plan).toMatchObject({ experiment: "even", poolId: "experiment:even", seq: 2 });
    expect((await ledger.run("plan", "even", file)).code).toBe(0);
    expect((await ledger.run("gate", "even")).stdout).toMatch(/\nPlan: sha256:[0-9a-f]{64}, spend came first \(/);
    await writeFile(join(folder, "other.md"), "compare b with a");
    const refused = await ledger.failure("plan", "even", join(folder, "other.md"));
    expect(refused).toMatchObject({ exit: 1, message: `${registered("another plan")}: ${plan.planRef}. ${once}` });
    const elsewhere = await ledger.failure("plan", "even", file, "--pool", "even/a/t");
    expect(elsewhere).toMatchObject({ message: `${registered("this plan already")}: ${plan.planRef}. ${once}` });
  });

  it("is shown where no run counts yet, and the gate fails all the same", async () => {
    const { planRef } = await ledger.json<{ planRef: string }>("plan", "soon", join(folder, "plan.md"));
    const failure = await ledger.failure("gate", "soon");
    expect(failure).toMatchObject({
      exit: 1,
      code: "LG010",
      hint: expect.stringContaining("agent-ledger import arms"),
      detail: { plan: { plan_ref: planRef, pool_id: "experiment:soon", seq: "2" } },
    });
    expect(failure.message).toMatch(
      new RegExp(
        `^experiment soon has a plan and no run that counts. Plan: ${planRef}, registered at .*Z in pool experiment:soon$`,
      ),
    );
    const byTask = await ledger.run("gate", "soon", "--by", "task");
    expect(byTask).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining(planRef) });
  });

  it("came before the first spend where it did", async () => {
    expect((await ledger.run("plan", "later", join(folder, "plan.md"))).stdout).toMatch(/^Plan of later: sha256:/);
    await ledger.apply([...run("later", "a", "t", 1)]);
    expect((await ledger.run("gate", "later")).stdout).toMatch(/\nPlan: .*, registered before the first spend \(/);
  });

  it("fails where there is no such file or pool", async () => {
    const absent = await ledger.failure("plan", "E", join(folder, "absent.md"));
    expect(absent).toMatchObject({ exit: 1, message: expect.stringContaining("cannot be read (ENOENT)") });
    const pool = await ledger.failure("plan", "E", join(folder, "plan.md"), "--pool", "absent");
    expect(pool).toMatchObject({ exit: 1, code: "LG002" });
    expect((await ledger.run("plan", "E")).code).toBe(2);
  });
});
