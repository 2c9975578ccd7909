/** `tail`: events without a gap, and what happens when nobody reads on. */
import { once } from "node:events";
import { afterAll, beforeAll, expect, it } from "vitest";
import { begin } from "./command-line.js";
import { createTestLedger, type TestLedger } from "./ledger-of-its-own.js";

let ledger: TestLedger;
let turns = 0;
beforeAll(async () => {
  ledger = await createTestLedger();
  await ledger.apply([
    { op: "open_pool", operation_id: "r", pool_id: "r", channels: {}, run: { label: "r" } },
    { op: "open_pool", operation_id: "other", pool_id: "other", channels: {} },
  ]);
});
afterAll(() => ledger.close());

/** That many turns, each with as many tokens as there were turns before it. */
async function meter(count: number): Promise<void> {
  const operations = Array.from({ length: count }, () => {
    turns += 1;
    const spend = { iterations: 0, input_tokens: turns, output_tokens: 0, usd_known: false };
    return { op: "meter", operation_id: `t${turns}`, pool_id: "r", model: "m-1", purpose: "turn", spend };
  });
  await ledger.apply(operations);
}

interface Line {
  readonly cursor: string;
  readonly pool_id: string;
  readonly seq: string;
  readonly kind: string;
  readonly input_tokens: string | null;
}

function parse(stdout: string): Line[] {
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

it("prints the latest events, and the cursor to go on at", async () => {
  await meter(12);
  const { code, stdout, stderr } = await ledger.run("tail", "--no-follow", "-n", "2");
  expect(code).toBe(0);
  expect(stdout.trimEnd().split("\n")).toEqual([
    expect.stringMatching(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}r #12 {2}metered {5}turn {2}m-1 {2}tokens 11 {2}usd unknown$/,
    ),
    expect.stringMatching(/ {2}r #13 {2}metered {5}turn {2}m-1 {2}tokens 12 {2}usd unknown$/),
  ]);
  const [, cursor] = /^Go on from here: agent-ledger tail --after (\S+)\n$/.exec(stderr) ?? [];

  await meter(3);
  const later = await ledger.run("tail", "--no-follow", "--json", "--after", String(cursor));
  expect(parse(later.stdout).map(({ pool_id, seq, input_tokens }) => [pool_id, seq, input_tokens])).toEqual([
    ["r", "14", "13"],
    ["r", "15", "14"],
    ["r", "16", "15"],
  ]);
  const [first] = parse(later.stdout);
  const rest = await ledger.run("tail", "--no-follow", "--json", "--after", String(first?.cursor));
  expect(parse(rest.stdout).map(({ seq }) => seq)).toEqual(["15", "16"]);
  expect((await ledger.run("tail", "--after", String(first?.cursor), "-n", "1")).code).toBe(2);
});

it("keeps to a run or a pool, begins with ten events, or with all", async () => {
  expect(parse((await ledger.run("tail", "--no-follow", "--json", "--pool", "other")).stdout)).toMatchObject([
    { pool_id: "other", seq: "1", kind: "opened" },
  ]);
  const usual = parse((await ledger.run("tail", "--no-follow", "--json", "--run", "r")).stdout);
  expect(usual.map(({ seq }) => Number(seq))).toEqual(Array.from({ length: 10 }, (_, index) => turns - 8 + index));
  const all = parse((await ledger.run("tail", "--no-follow", "--json", "-n", "all")).stdout);
  expect(all).toHaveLength(turns + 2);
});

it("follows until Ctrl-C, which is no failure", async () => {
  const tail = begin(["tail", "--run", "r", "-n", "0", "--json"], ledger.environment);
  // Nothing says that it follows now; what comes before that it prints all the same.
  const count = turns;
  while (!(await Promise.race([tail.until(/"cursor"/).then(() => true), meter(1).then(() => false)])));
  await meter(2);
  await tail.until(new RegExp(`"input_tokens":"${turns}"`));
  tail.child.kill("SIGINT");
  const { code, stdout, stderr } = await tail.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const seen = parse(stdout).map(({ input_tokens }) => Number(input_tokens));
  expect(seen).toEqual(Array.from({ length: seen.length }, (_, index) => turns - seen.length + 1 + index));
  expect(seen[0]).toBeGreaterThan(count);
});

it("ends quietly when its reader has enough", async () => {
  const tail = begin(["tail", "--json"], ledger.environment);
  await tail.until(/"cursor"/);
  tail.child.stdout?.destroy();
  if (tail.child.stdout) await once(tail.child.stdout, "close");
  const ended = tail.ended.then(() => true);
  while (!(await Promise.race([ended, meter(1).then(() => false)])));
  const { code, stderr } = await tail.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});

it.each([[[]], [["--no-follow"]], [["--after", "nonsense"]]])(
  "says that there is no such run or pool, before it follows: %j",
  async (more) => {
    expect(await ledger.failure("tail", "--run", "nope", ...more)).toMatchObject({
      exit: 1,
      message: "Tenant acme has no run nope: agent-ledger runs lists those there are",
    });
    // A pool that is no run.
    expect(await ledger.failure("tail", "--run", "other", ...more)).toMatchObject({ exit: 1 });
    expect(await ledger.failure("tail", "--pool", "nope", ...more)).toMatchObject({
      exit: 1,
      message: "Tenant acme has no pool nope: agent-ledger pool open nope opens one",
    });
  },
);

it("refuses a cursor that is none", async () => {
  expect(await ledger.failure("tail", "--no-follow", "--after", "nonsense")).toMatchObject({ exit: 1, code: "LG001" });
});
