/** Price books on the command line, and dollars by what they rest on. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tableOf } from "./command-line.js";
import { createTestLedger, type TestLedger } from "./ledger-of-its-own.js";

let ledger: TestLedger;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "prices-"));
  ledger = await createTestLedger();
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await ledger.close();
});

const price = (token_class: string, usd_per_million: number | string, more: object = {}) => ({
  provider: "acme",
  model: "large",
  token_class,
  usd_per_million,
  ...more,
});

function file(name: string, rows: readonly object[]): string {
  writeFileSync(join(folder, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return join(folder, name);
}

const CHEAP = [
  price("input", 1),
  price("output", "2.5"),
  price("request", 2_000),
  price("input", 3, { above_input_tokens: 1_000 }),
];
const DEAR = [
  price("input", 10, { match: "prefix" }),
  price("output", 25, { match: "prefix", valid_from: "2026-01-01", valid_to: "2099-01-01" }),
  price("input", 7, { model: "mini", match: "contains" }),
];

const metered = (id: string, fields: object) => ({
  op: "meter",
  operation_id: id,
  pool_id: "run",
  provider: "acme",
  model: "large",
  purpose: "turn",
  ...fields,
});

const used = (input_tokens: number, output_tokens: number, more: object = { usd_known: false }) => ({
  spend: { iterations: 0, input_tokens, output_tokens, ...more },
});

describe("a price book", () => {
  it("is imported from a file and used, once", async () => {
    const path = file("cheap.jsonl", CHEAP);
    expect(await ledger.run("prices", "books")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("No price book yet"),
    });
    const first = await ledger.run("prices", "import", path, "--book", "cheap");
    expect(first).toEqual({
      code: 0,
      stdout: "Book cheap: 4 prices\nCalls without a receipt are priced from cheap when they are metered\n",
      stderr: "",
    });
    const again = await ledger.run("prices", "import", path, "--book", "cheap");
    expect(again).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Nothing was new: book cheap holds the same 4 prices/),
    });
    expect(await ledger.json("prices", "import", path, "--book", "cheap")).toEqual({
      book: "cheap",
      prices: 4,
      new: false,
      current: "cheap",
    });
  });

  it("is named after its file where nobody names it, and need not be used", async () => {
    const path = file("dear.jsonl", DEAR);
    const { book, ...rest } = await ledger.json<{ book: string }>("prices", "import", path, "--no-use");
    expect(book).toMatch(/^dear\.jsonl@[0-9a-f]{12}$/);
    expect(rest).toEqual({ prices: 3, new: true, current: "cheap" });
    expect(await ledger.json("prices", "import", path, "--no-use", "--book", "dear")).toMatchObject({ new: true });
  });

  it("never changes", async () => {
    const path = file("other.jsonl", DEAR);
    expect(await ledger.failure("prices", "import", path, "--book", "cheap")).toEqual({
      exit: 1,
      code: null,
      message: "the book cheap holds other prices, and a book never changes: name another with --book",
      hint: null,
    });
  });

  it("with a malformed price is not written, and the line is named", async () => {
    const bad = file("bad.jsonl", [...CHEAP, price("tokens", 1)]);
    const { exit, message } = await ledger.failure("prices", "import", bad, "--book", "bad");
    expect({ exit, message }).toEqual({
      exit: 1,
      message: expect.stringMatching(/bad\.jsonl: nothing was written\nline 5: token_class: must be one of input, /),
    });
    const twice = file("twice.jsonl", [...CHEAP, price("input", 9)]);
    expect(await ledger.failure("prices", "import", twice, "--book", "bad")).toMatchObject({
      exit: 1,
      message: expect.stringMatching(/^nothing was written: line 5: model: is priced twice/),
    });
    const books = await ledger.json<{ book: string }[]>("prices", "books");
    expect(books.map(({ book }) => book)).not.toContain("bad");
  });

  it("is listed by provider and model, a line per model and size", async () => {
    const { stdout } = await ledger.run("prices", "list", "--provider", "ACME", "--model", "Large");
    expect(tableOf(stdout, "Book cheap")).toEqual([
      ["acme", "large", "always", "0", "1", "2.5", "0.002"],
      ["acme", "large", "always", "1,000", "3", "–", "–"],
    ]);
    const dear = await ledger.run("prices", "list", "--book", "dear");
    expect(tableOf(dear.stdout, "Book dear")).toEqual([
      ["acme", "large*", "always", "0", "10", "–"],
      ["acme", "large*", "from 2026-01-01 until 2099-01-01", "0", "–", "25"],
      ["acme", "*mini*", "always", "0", "7", "–"],
    ]);
    expect(await ledger.json("prices", "list", "--book", "dear", "--model", "mini")).toMatchObject([
      { provider: "acme", model: "mini", match: "contains", token_class: "input", usd_per_million: "7" },
    ]);
    expect(await ledger.run("prices", "list", "--provider", "nobody")).toMatchObject({
      code: 0,
      stdout: "Book cheap has no such price\n",
    });
  });

  it("is chosen by name", async () => {
    expect(await ledger.json("prices", "use", "dear")).toEqual({ current: "dear" });
    expect(await ledger.json("prices", "use", "--none")).toEqual({ current: null });
    expect(await ledger.failure("prices", "list")).toMatchObject({
      exit: 1,
      message: expect.stringMatching(/^No price book is in use/),
    });
    expect(await ledger.failure("prices", "use", "nope")).toMatchObject({
      exit: 1,
      message: "Tenant acme has no price book nope: agent-ledger prices books lists them",
    });
    for (const wrong of [[], ["dear", "--none"]]) {
      expect(await ledger.failure("prices", "use", ...wrong)).toMatchObject({
        exit: 2,
        message: "Name a book, or give --none",
      });
    }
    expect(await ledger.json("prices", "use", "cheap")).toEqual({ current: "cheap" });
    const { stdout } = await ledger.run("prices", "books");
    expect(tableOf(stdout, "Price books").map((row) => [row[0], row[1], row[2], row[5]])).toEqual([
      ["cheap", "yes", "cheap.jsonl", "4"],
      [expect.stringMatching(/^dear\.jsonl@/), "", "dear.jsonl", "3"],
      ["dear", "", "dear.jsonl", "3"],
    ]);
  });
});

describe("the catalogue", () => {
  it("is imported by provider, and says what it leaves out", async () => {
    const { code, stdout } = await ledger.run("prices", "import", "--provider", "anthropic", "deepseek", "--no-use");
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(
        /^Book genai-prices@0\.1\.8:anthropic\+deepseek: [\d,]+ prices\nLeft out, and so unknown: 4 models priced by the hour of the day, 0 without/,
      ),
    });
    const { stdout: listed } = await ledger.run(
      ...["prices", "list", "--book", "genai-prices@0.1.8:anthropic+deepseek", "--model", "opus-4-6"],
    );
    expect(tableOf(listed, "Book genai-prices").filter(([, model]) => model === "claude-opus-4-6*")).toEqual([
      ["anthropic", "claude-opus-4-6*", "until 2026-03-13", "0", "5", "0.5", "6.25", "10", "25"],
      ["anthropic", "claude-opus-4-6*", "until 2026-03-13", "200,000", "10", "1", "12.5", "20", "37.5"],
      ["anthropic", "claude-opus-4-6*", "from 2026-03-13", "0", "5", "0.5", "6.25", "10", "25"],
    ]);
    expect(Math.max(...listed.split("\n").map((line) => line.length))).toBeLessThanOrEqual(160);
  });

  it("has the providers it has", async () => {
    expect(await ledger.failure("prices", "import", "--provider", "acme")).toMatchObject({
      exit: 2,
      message: expect.stringMatching(/^The catalogue has no provider acme\. It has anthropic, /),
    });
    expect(await ledger.failure("prices", "import", "x.json", "--provider", "anthropic")).toMatchObject({ exit: 2 });
  });
});

describe("receipts, estimates and unknown", () => {
  beforeAll(async () => {
    const answers = await ledger.apply([
      { op: "open_pool", operation_id: "o", pool_id: "run", channels: {}, run: { label: "run" } },
      metered("m1", used(1_000, 100)),
      metered("m2", used(2_000, 100)),
      metered("m3", used(10, 10, { usd: "0.5" })),
      metered("m4", { ...used(10, 10), model: "unheard-of", purpose: "compaction" }),
      { op: "spawn", operation_id: "s", pool_id: "run", label: "child", budget: {} },
      {
        op: "settle",
        operation_id: "t",
        node_id: "run:s0",
        outcome: "done",
        provider: "acme",
        model: "large",
        ...used(100, 0),
      },
    ]);
    expect(answers.map(({ status }) => status)).toEqual(Array(7).fill("ok"));
  });

  // m1: 1,000 x 1 + 100 x 2.5 + a call at 0.002; m2: 2,000 x 3 (above 1,000) + 100 x 2.5 + 0.002; the child: 100 x 1 + 0.002.
  it("stand apart in a breakdown", async () => {
    const { stdout } = await ledger.run("breakdown", "run");
    expect(tableOf(stdout, "Where the run's spend comes from").map((row) => [row[0], ...row.slice(-4)])).toEqual([
      ["driver inference", "~0.5115 ?", "0.5", "~0.0115", "1"],
      ["├── turns", "~0.5115", "0.5", "~0.0115", "0"],
      ["└── compaction", "unknown", "0", "0", "1"],
      ["child work", "~0.0021", "0", "~0.0021", "0"],
      ["total", "~0.5136 ?", "0.5", "~0.0136", "1"],
    ]);
    expect(tableOf(stdout, "By model").map((row) => [row[1], ...row.slice(-3)])).toEqual([
      ["large", "0.5", "~0.0136", "0"],
      ["unheard-of", "0", "0", "1"],
    ]);
    expect(stdout).toContain("~ = estimated, charged without a receipt");
    expect(await ledger.json("breakdown", "run")).toMatchObject({
      sources: [{}, {}, { usd: "0.5136", receipt_usd: "0.5", estimated_usd: "0.0136", unknown_usd_events: "1" }],
      children: { usd: "0.0021", receipt_usd: "0", estimated_usd: "0.0021", unknown_usd_events: "0" },
    });
  });

  it("are marked in runs, a trajectory and usage", async () => {
    const runs = await ledger.run("runs");
    expect(tableOf(runs.stdout, "Runs")[0]?.at(7)).toBe("~0.5136 ?");
    const tree = await ledger.run("trajectory", "run");
    expect(tableOf(tree.stdout, "The run").map((row) => [row[0], row[3], row[5]])).toEqual([
      ["run", "~0.5115 ?", "~0.5136 ?"],
      ["└── child", "~0.0021", "~0.0021"],
    ]);
    const usage = await ledger.run("usage");
    expect(tableOf(usage.stdout, "Usage per day").map((row) => [row[2], ...row.slice(-3)])).toEqual([
      ["large", "0.5", "~0.0136", "0"],
      ["unheard-of", "0", "0", "1"],
    ]);
    expect(await ledger.json("usage")).toMatchObject([
      { model: "large", usd: "0.5136", receipt_usd: "0.5", estimated_usd: "0.0136", unknown_usd_events: "0" },
      { model: "unheard-of", usd: null, receipt_usd: "0", estimated_usd: "0", unknown_usd_events: "1" },
    ]);
  });

  it("stay what they are, however the same usage is priced", async () => {
    const { stdout } = await ledger.run("breakdown", "run", "--book", "cheap", "--book", "dear");
    // cheap: m3 without its receipt is 10 x 1 + 10 x 2.5 + 0.002. dear: 3,110 x 10 + 210 x 25.
    expect(tableOf(stdout, "The same usage under price books")).toEqual([
      ["acme", "large", "4", "~0.015635", "~0.03635"],
      ["acme", "unheard-of", "1", "unknown", "unknown"],
      ["total", "", "5", "~0.015635 ?", "~0.03635 ?"],
    ]);
    const { books } = await ledger.json<{ books: unknown[] }>("breakdown", "run", "--book", "dear");
    expect(books).toMatchObject([
      {
        book: "dear",
        calls: "5",
        unpriced_calls: "1",
        usd: "0.03635",
        by_model: [{ model: "large", usd: "0.03635" }, { usd: null }],
      },
    ]);
    expect(tableOf(stdout, "Where the run's spend comes from").at(-1)?.at(-4)).toBe("~0.5136 ?");
    expect(await ledger.failure("breakdown", "run", "--book", "nope")).toMatchObject({
      exit: 1,
      message: "Tenant acme has no price book nope: agent-ledger prices books lists them",
    });
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(160);
  });
});
