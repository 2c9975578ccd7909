/** Results made elsewhere: what a line becomes, and what importing it again does. */
import { describe, expect, it } from "vitest";
import { line, load, runs } from "./arm-lines.js";
import { type Books, useBooks } from "./books.js";

const test = useBooks();

const spends = (books: Books) =>
  books.rows(
    `select run_id, input_tokens::int as input, output_tokens::int as output, usd::text, usd_known from ledger.spent_breakdown
     where tenant_id = $1 and source = 'total' order by run_id`,
  );

describe("a line", () => {
  it("becomes a run that is over: its pool closed, its spend a receipt, its outcome judged, nothing held", async () => {
    const books = await test.open();
    const report = await load(books, [
      line({ replicate: 2, usd: 0.0173, resolved: true, provider: "p", model: "m", at: "2026-03-01T10:30:00+01:00" }),
    ]);
    expect(report).toMatchObject({ valid: true, lines: 1, new: 1, completed: 0, existing: 0, failed: 0, problems: [] });
    expect(report.arms).toEqual([
      {
        experiment: "e",
        arm: "a",
        runs: 1,
        tokens: "120",
        tokensKnown: true,
        usd: "0.0173",
        usdKnown: true,
        estimatedUsd: "0",
        unknownUsdEvents: "0",
        resolved: 1,
        infra: 0,
      },
    ]);
    expect(await runs(books)).toEqual([
      {
        run_id: "e/a/t/2",
        label: "t",
        experiment: "e",
        arm: "a",
        task: "t",
        replicate: "2",
        outcome: "done",
        resolved: true,
        infra: false,
      },
    ]);
    const journal = await books.rows(
      "select kind, operation_id, provider, model, purpose, iterations::int, effective_at from ledger.journal where tenant_id = $1 order by seq",
    );
    expect(journal.map(({ kind, operation_id }) => [kind, operation_id])).toEqual([
      ["opened", "arms:e/a/t/2:opened"],
      ["metered", "arms:e/a/t/2:metered"],
      ["judged", "arms:e/a/t/2:judged"],
      ["closed", "arms:e/a/t/2:closed"],
    ]);
    expect(journal[1]).toMatchObject({ provider: "p", model: "m", purpose: null, iterations: 0 });
    for (const { effective_at } of journal) expect(effective_at).toEqual(new Date("2026-03-01T09:30:00Z"));
    expect(
      await books.rows(
        `select p.state, p.parent_pool_id, n.status from ledger.pools p join ledger.nodes n on n.tenant_id = p.tenant_id and n.node_id = p.pool_id
         where p.tenant_id = $1`,
      ),
    ).toEqual([{ state: "closed", parent_pool_id: null, status: "done" }]);
    expect(
      await books.rows(
        `select channel, capped, reserved::text, committed::text, uncertain::text, measured, sealed from ledger.channels where tenant_id = $1
         order by channel`,
      ),
    ).toEqual([
      {
        channel: "iterations",
        capped: false,
        reserved: "0",
        committed: "0",
        uncertain: "0",
        measured: true,
        sealed: false,
      },
      {
        channel: "tokens",
        capped: false,
        reserved: "0",
        committed: "120",
        uncertain: "0",
        measured: true,
        sealed: false,
      },
      {
        channel: "usd",
        capped: false,
        reserved: "0",
        committed: "0.0173",
        uncertain: "0",
        measured: true,
        sealed: false,
      },
    ]);
  });

  it("without dollars has unknown dollars, and a receipt of 0 is one", async () => {
    const books = await test.open();
    const report = await load(books, [
      line({ task: "free", usd: 0 }),
      line({ task: "null", usd: null }),
      line({ task: "silent", usd: undefined }),
    ]);
    expect(report.arms).toMatchObject([
      { runs: 3, usd: "0", usdKnown: false, estimatedUsd: "0", unknownUsdEvents: "2" },
    ]);
    expect(await spends(books)).toEqual([
      { run_id: "e/a/free", input: 100, output: 20, usd: "0", usd_known: true },
      { run_id: "e/a/null", input: 100, output: 20, usd: "0", usd_known: false },
      { run_id: "e/a/silent", input: 100, output: 20, usd: "0", usd_known: false },
    ]);
  });

  it("has exact dollars: texts stay what they are, numbers are taken in their shortest form", async () => {
    const books = await test.open();
    const report = await load(books, [
      line({ task: "1", usd: "0.123456789012" }),
      line({ task: "2", usd: "000.500" }),
      line({ task: "3", usd: 0.1 + 0.2 }),
      line({ task: "4", usd: 1e-7 }),
    ]);
    expect((await spends(books)).map(({ usd }) => usd)).toEqual(["0.123456789012", "0.5", "0.3", "0.0000001"]);
    expect(report.arms[0]?.usd).toBe("0.923456889012");
  });

  it("is judged as it says: infra alone is unresolved, and without either nobody judged it", async () => {
    const books = await test.open();
    const report = await load(books, [
      line({ task: "1", resolved: true }),
      line({ task: "2", resolved: false, infra: false }),
      line({ task: "3", infra: true }),
      line({ task: "4", resolved: true, infra: true }),
      line({ task: "5" }),
      line({ task: "6", infra: false, resolved: null }),
    ]);
    expect((await runs(books)).map(({ task, resolved, infra }) => [task, resolved, infra])).toEqual([
      ["1", true, false],
      ["2", false, false],
      ["3", false, true],
      ["4", true, true],
      ["5", null, false],
      ["6", null, false],
    ]);
    expect(report.arms).toMatchObject([{ runs: 6, resolved: 1, infra: 2 }]);
  });

  it("has an id of its own, whatever its names hold", async () => {
    const books = await test.open();
    const long = "x".repeat(200);
    const named = [
      ["a", "b/c", undefined],
      ["a/b", "c", undefined],
      ["a", "b", "c"],
      ["a", "b%2Fc", undefined],
      ["a", "b", 1],
      ["a", "b", undefined],
      ["a", long, undefined],
      [long, long, "1"],
      [long, long, undefined],
      ["日本", "🙂".repeat(200), "…"],
    ] as const;
    const lines = named.map(([arm, task, replicate]) => line({ arm, task, replicate }));
    expect(await load(books, lines)).toMatchObject({ new: 10, failed: 0 });
    const found = await runs(books);
    expect(found.map(({ run_id }) => run_id).filter((id) => !String(id).startsWith("arms:"))).toEqual(
      expect.arrayContaining(["e/a/b%2Fc", "e/a%2Fb/c", "e/a/b/c", "e/a/b%252Fc", "e/a/b/1", "e/a/b"]),
    );
    expect(new Set(found.map(({ arm, task, replicate }) => JSON.stringify([arm, task, replicate ?? null]))).size).toBe(
      10,
    );
    expect(await load(books, lines)).toMatchObject({ new: 0, existing: 10, failed: 0 });
  });
});

describe("importing again", () => {
  it("changes nothing, and adds what is new", async () => {
    const books = await test.open();
    const lines = [line({ task: "1", resolved: true }), line({ task: "2", usd: undefined })];
    await load(books, lines);
    const rows = await books.journal();
    const again = await load(books, [line({ task: "1", usd: 0.5, replicate: null, resolved: true }), lines[1]]);
    expect(again).toMatchObject({ new: 0, completed: 0, existing: 2, failed: 0, arms: [{ runs: 2, tokens: "240" }] });
    expect(await books.journal()).toBe(rows);
    expect(await load(books, [...lines, line({ task: "3" })])).toMatchObject({ new: 1, existing: 2 });
  });

  it("adds a judgement that came later", async () => {
    const books = await test.open();
    await load(books, [line()]);
    expect(await load(books, [line({ resolved: true })])).toMatchObject({ new: 0, completed: 1, existing: 0 });
    expect(await runs(books)).toMatchObject([{ resolved: true, outcome: "done" }]);
  });

  it("tells of lines that changed, books nothing of them, and goes on with the others", async () => {
    const books = await test.open();
    await load(books, [
      line({ task: "1" }),
      line({ task: "2", resolved: true }),
      line({ task: "3", at: "2026-03-01T00:00:00Z" }),
    ]);
    const rows = await books.journal();
    const report = await load(books, [
      line({ task: "0" }),
      line({ task: "1", output_tokens: 21, resolved: true }),
      line({ task: "2", resolved: false }),
      line({ task: "3", at: "2026-03-02T00:00:00Z" }),
      line({ task: "4" }),
    ]);
    expect(report).toMatchObject({ valid: true, new: 2, existing: 0, failed: 3, arms: [{ runs: 2 }] });
    expect(report.problems).toEqual([
      {
        line: 2,
        problem: "was imported with other figures; correct it with the operation `correct` (of: arms:e/a/1:metered)",
      },
      {
        line: 3,
        problem: "was imported with another outcome; judge it again with the operation `judge` (run_id: e/a/2)",
      },
      { line: 4, problem: expect.stringContaining("leave at and --parent as they were") },
    ]);
    // Two runs: opened, metered, closed. The judgement that stood beside changed figures is not booked either.
    expect(await books.journal()).toBe(rows + 6);
    expect((await runs(books)).find(({ task }) => task === "1")).toMatchObject({ resolved: null });
  });

  it("takes a correction as it says, and then leaves the line alone", async () => {
    const books = await test.open();
    await load(books, [line()]);
    const [answer] = await books.ledger.apply([
      {
        op: "correct",
        operation_id: "c",
        of: "arms:e/a/t:metered",
        reason: "receipt",
        spend: { iterations: 0, input_tokens: 100, output_tokens: 20, usd: "0.75" },
      },
    ]);
    expect(answer).toMatchObject({ status: "ok" });
    const again = await load(books, [line()]);
    expect(again).toMatchObject({ existing: 1, failed: 0, arms: [{ tokens: "120", usd: "0.75", usdKnown: true }] });
    expect(await spends(books)).toMatchObject([{ usd: "0.75" }]);
  });
});

describe("a pool that is in the way", () => {
  it("gets none of the line's spend", async () => {
    const books = await test.open();
    await books.ledger.openPool({}, { poolId: "e/a/2" });
    const report = await load(books, [line({ task: "1" }), line({ task: "2" }), line({ task: "3" })]);
    expect(report).toMatchObject({ new: 2, failed: 1, problems: [{ line: 2 }] });
    expect(report.problems[0]?.problem).toContain("a pool or node named e/a/2 exists already");
    expect(await books.rows("select kind from ledger.journal where tenant_id = $1 and pool_id = 'e/a/2'")).toEqual([
      { kind: "opened" },
    ]);
  });
});

it("many lines go out some at a time, and are told as they go", async () => {
  const books = await test.open();
  const lines = Array.from({ length: 205 }, (_, task) => line({ task: String(task), resolved: task % 2 === 0 }));
  const told: number[] = [];
  const calls = books.ledger.statistics().calls;
  const report = await load(books, lines, { onProgress: ({ done }: { done: number }) => told.push(done) });
  expect(report).toMatchObject({ new: 205, arms: [{ runs: 205, tokens: "24600", usd: "102.5", resolved: 103 }] });
  expect(told).toEqual([0, 50, 100, 150, 200]);
  expect(books.ledger.statistics().calls - calls).toBe(5);
});
