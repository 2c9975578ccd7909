/** The verbs that read, on the history of a team's month. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HISTORY, MONTH, RUN } from "../examples/history.js";
import { tableOf } from "./command-line.js";
import { createTestLedger, type TestLedger } from "./ledger-of-its-own.js";

let ledger: TestLedger;
beforeAll(async () => {
  ledger = await createTestLedger();
  await ledger.apply(HISTORY);
  // A run whose driver's dollars nobody reported, with a child that reported nothing at all.
  await ledger.apply([
    { op: "open_pool", operation_id: "u1", pool_id: "dark", channels: {}, run: { label: "dark" } },
    {
      op: "meter",
      operation_id: "u2",
      pool_id: "dark",
      provider: "acme",
      model: "acme-large",
      purpose: "compaction",
      spend: { iterations: 0, input_tokens: 9_007_199_254_740_991, output_tokens: 7, usd_known: false },
    },
    { op: "spawn", operation_id: "u3", pool_id: "dark", label: "silent", budget: {} },
    {
      op: "settle",
      operation_id: "u4",
      node_id: "dark:s0",
      outcome: "done",
      spend: { iterations: 2, input_tokens: 0, output_tokens: 0, tokens_known: false, usd_known: false },
    },
  ]);
});
afterAll(() => ledger.close());

describe("runs", () => {
  it("prints a line per run, in the order in which they started", async () => {
    const { code, stdout, stderr } = await ledger.run("runs");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(tableOf(stdout, "Runs").map((row) => [...row.slice(0, 2), ...row.slice(3)])).toEqual([
      [RUN, "Fix the flaky checkout test", "done", "14", "90,600", "8,350", "~0.6497", "5"],
      ["dark", "dark", "open", "3", "9,007,199,254,740,991 ?", "7 ?", "unknown", "1"],
    ]);
    expect(stdout).toContain("unknown = nobody reported it, or no price for it");
  });

  it("gives exact texts as JSON, of the latest when asked", async () => {
    const [latest, ...others] = await ledger.json<Record<string, unknown>[]>("runs", "-n", "1");
    expect(others).toEqual([]);
    expect(latest).toMatchObject({
      run_id: "dark",
      calls: "3",
      input_tokens: "9007199254740991",
      tokens_known: false,
      usd_known: false,
      children: 1,
    });
  });
});

describe("a label", () => {
  it.each([
    ["test", "contest", "contest"],
    ["s-1", "Claude Code s-1", "Claude Code"],
    ["s-2", "Claude Code s-2 again", "Claude Code s-2 again"],
  ])("of run %s, %s, is printed as %s: only the importer's own is cut", async (id, label, printed) => {
    await ledger.apply([{ op: "open_pool", operation_id: `l-${id}`, pool_id: id, channels: {}, run: { label } }]);
    const { stdout } = await ledger.run("runs");
    expect(tableOf(stdout, "Runs").find((row) => row[0] === id)?.[1]).toBe(printed);
  });
});

describe("trajectory", () => {
  it("draws the run as a tree with shares", async () => {
    const { stdout } = await ledger.run("trajectory", RUN);
    const lines = stdout.split("\n").filter((line) => line.startsWith("│ "));
    expect(lines.slice(1).map((line) => line.slice(2, 34))).toEqual([
      "Fix the flaky checkout test    │",
      "├── Reproduce the failure      │",
      "├── Read the build logs        │",
      "├─┬ Write the fix              │",
      "│ └── Patch the retry loop     │",
      "└── Ask another vendor's agent │",
    ]);
    expect(lines[1]).toContain("│ 98,950 │ ~0.6497 │ ████████████████████  100% │");
    // Its own dollars are all known, although a child's are not.
    expect(lines[1]).toContain("│  0.1203 │");
    expect(lines[6]).toContain("│   ~0.25 │  6,100 │   ~0.25 │ █░░░░░░░░░░░░░░░░░░░  6.2% │");
  });

  it("gives the view's rows and what is known of a node's own spend as JSON", async () => {
    const nodes = await ledger.json<Record<string, unknown>[]>("trajectory", "dark");
    expect(nodes.map((node) => [node.node_id, node.depth, node.own_tokens_known, node.own_usd_known])).toEqual([
      ["dark", 0, true, false],
      ["dark:s0", 1, false, false],
    ]);
    expect(nodes[0]).toMatchObject({ rolled_up_input_tokens: "9007199254740991", rolled_up_tokens_known: false });
  });

  it("says what to do where there is no such run", async () => {
    expect(await ledger.failure("trajectory", "nope")).toMatchObject({
      exit: 1,
      message: "Tenant acme has no run nope: agent-ledger runs lists those there are",
    });
  });
});

describe("breakdown", () => {
  it("splits the driver's inference by purpose and everything by model", async () => {
    const { stdout } = await ledger.run("breakdown", RUN);
    expect(tableOf(stdout, "Where the run's spend comes from")).toEqual([
      ["driver inference", "7", "42,500", "21,250", "0", "2,670", "0.1694", "0.1694", "0", "0"],
      ["└── turns", "7", "42,500", "21,250", "0", "2,670", "0.1694", "0.1694", "0", "0"],
      ["child work", "7", "48,100", "0", "0", "5,680", "~0.4803", "0.2303", "~0.25", "0"],
      ["total", "14", "90,600", "21,250", "0", "8,350", "~0.6497", "0.3997", "~0.25", "0"],
    ]);
    expect(tableOf(stdout, "By model")).toEqual([
      ["acme", "acme-small", "7", "48,100", "0", "0", "5,680", "0.2303", "~0.25", "0"],
      ["acme", "acme-large", "7", "42,500", "21,250", "0", "2,670", "0.1694", "0", "0"],
    ]);
    expect(stdout.match(/unknown = nobody/g)).toHaveLength(1);
  });

  it("takes unknown for unknown, never for zero", async () => {
    const { stdout } = await ledger.run("breakdown", "dark");
    expect(tableOf(stdout, "Where the run's spend comes from")).toEqual([
      ["driver inference", "1", "9,007,199,254,740,991", "0", "0", "7", "unknown", "0", "0", "1"],
      ["└── compaction", "1", "9,007,199,254,740,991", "0", "0", "7", "unknown", "0", "0", "1"],
      ["child work", "2", "unknown", "unknown", "unknown", "unknown", "unknown", "0", "0", "1"],
      ["total", "3", "9,007,199,254,740,991 ?", "unknown", "unknown", "7 ?", "unknown", "0", "0", "2"],
    ]);
    const report = await ledger.json<{ driver_by_purpose: unknown; children: unknown }>("breakdown", "dark");
    expect(report.driver_by_purpose).toMatchObject([
      { purpose: "compaction", calls: "1", usd: null, usd_known: false },
    ]);
    expect(report.children).toMatchObject({ calls: "2", tokens_known: false, usd: null });
  });

  it("follows a correction: what was unknown is known", async () => {
    await ledger.apply([
      { op: "open_pool", operation_id: "c1", pool_id: "late", channels: {}, run: { label: "late" } },
      {
        op: "meter",
        operation_id: "c2",
        pool_id: "late",
        model: "m",
        purpose: "turn",
        spend: { iterations: 0, input_tokens: 10, output_tokens: 1, usd_known: false },
      },
      {
        op: "correct",
        operation_id: "c3",
        of: "c2",
        reason: "receipt",
        spend: { iterations: 0, input_tokens: 12, output_tokens: 1, usd: "0.5" },
      },
    ]);
    const { stdout } = await ledger.run("breakdown", "late");
    expect(tableOf(stdout, "Where the run's spend comes from")[0]).toEqual([
      "driver inference",
      "1",
      "12",
      "0",
      "0",
      "1",
      "0.5",
      "0.5",
      "0",
      "0",
    ]);
    expect(tableOf(stdout, "By model")).toEqual([["–", "m", "1", "12", "0", "0", "1", "0.5", "0", "0"]]);
    expect(stdout).not.toContain("nobody reported");
  });
});

describe("pool show", () => {
  it("shows channels with bars, who pays them, state and parent", async () => {
    const { stdout } = await ledger.run("pool", "show", MONTH);
    expect(stdout).toMatch(
      /^state open · parent – · run – · deadline – · opened \d{4}-\d\d-\d\d \d\d:\d\d:\d\d · open holds 0/,
    );
    expect(tableOf(stdout, `Pool ${MONTH}`)).toEqual([
      ["tokens", "nobody", "", "98,950", "0", "–", "–", "0"],
      ["iterations", "nobody", "", "7", "0", "–", "–", "0"],
      ["usd", "itself", "█░░░░░░░░░░░░░░░░░░░", "0.6497 ?", "0", "24.3503", "25", "0.25"],
    ]);
    const document = await ledger.json<{ pool: object; head: object; channels: object[] }>("pool", "show", RUN);
    expect(document.pool).toMatchObject({ pool_id: RUN, state: "closed", parent_pool_id: MONTH });
    expect(document.head).toMatchObject({ open_holds: 0 });
    expect(document.channels[2]).toMatchObject({ channel: "usd", committed: "0.6497", free: "0", uncertain: "0.25" });
  });
});

describe("health", () => {
  it("says what is open and what nobody reported", async () => {
    await ledger.apply([
      { op: "open_pool", operation_id: "h1", pool_id: "busy", channels: { tokens: { total: 100 } } },
      { op: "spawn", operation_id: "h2", pool_id: "busy", node_id: "busy:w", label: "w", budget: { tokens: 1 } },
    ]);
    const { code, stdout, stderr } = await ledger.run("health");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const rows = new Map(tableOf(stdout, "Health of acme").map(([what = "", value = ""]) => [what, value]));
    expect(rows.get("open holds")).toBe("1");
    expect(rows.get("oldest hold")).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d · \d+ s · busy:w$/);
    expect(rows.get("refusals in 24 hours")).toBe("1");
    const document = await ledger.json<Record<string, unknown>>("health");
    expect(document).toMatchObject({ tenant_id: "acme", open_holds: "1", oldest_hold_node_id: "busy:w" });
    // The 0.25 of the month that nobody sent a receipt for, of all that was charged here.
    expect(Number(document.uncertain_usd_share)).toBeGreaterThan(0.2);
    await ledger.apply([{ op: "cancel", operation_id: "h3", node_id: "busy:w", reason: "done" }]);
    expect(await ledger.json("health")).toMatchObject({ open_holds: "0", oldest_hold_ms: null });
  });
});

describe("refusals, usage and audit", () => {
  it("lists who was refused what", async () => {
    const { stdout } = await ledger.run("refusals");
    expect(tableOf(stdout, "Refused").map((row) => row.slice(1))).toEqual([
      [RUN, "Rewrite the whole test suite", "budget-exhausted", "tokens: 400,000 asked, 44,540 free"],
      ["", "", "", "usd: 9 asked, 3.6584 free"],
    ]);
    expect(await ledger.json("refusals", "--pool", "dark")).toEqual([]);
    expect(await ledger.run("refusals", "--pool", "dark")).toMatchObject({ code: 0, stdout: "Nothing was refused\n" });
  });

  it("says so where there is no such pool", async () => {
    expect(await ledger.failure("refusals", "--pool", "nope")).toMatchObject({
      exit: 1,
      message: "Tenant acme has no pool nope: agent-ledger pool open nope opens one",
    });
  });

  it("adds up per day, provider and model", async () => {
    const { stdout } = await ledger.run("usage");
    const today = new Date().toISOString().slice(0, 10);
    const rows = tableOf(stdout, "Usage per day").filter(([day]) => day === today);
    expect(rows).toContainEqual([today, "acme", "acme-small", "48,100", "0", "0", "5,680", "0.2303", "~0.25", "0"]);
    expect(rows).toContainEqual([
      today,
      "acme",
      "acme-large",
      "9,007,199,254,783,491",
      "21,250",
      "0",
      "2,677",
      "0.1694",
      "0",
      "1",
    ]);
    const usage = await ledger.json<Record<string, unknown>[]>("usage");
    expect(usage.find(({ model }) => model === "acme-small")).toMatchObject({
      day: today,
      input_tokens: "48100",
      usd: "0.4803",
    });
  });

  it("proves the books", async () => {
    expect(await ledger.run("audit")).toEqual({ code: 0, stdout: "Audit: 0 findings\n", stderr: "" });
    expect(await ledger.json("audit")).toEqual([]);
  });
});
