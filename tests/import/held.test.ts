/** Copies of sub-agents that are not copies line by line: torn, reordered, grown, or read as something else. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { importClaudeCode } from "../../src/import/claude-code/import.js";
import type { ImportReport } from "../../src/import/claude-code/report.js";
import { type Books, useBooks } from "./books.js";
import { assistant, at, folderOf, use } from "./files.js";
import { total } from "./reading.js";

const test = useBooks();
const FINAL = { final: true };

const a = assistant({ id: "a", at: at(0) });
const b = assistant({ id: "b", at: at(9) });
const [m1, m2, m3, m4, m5] = [1, 2, 3, 4, 5].map((n) => assistant({ id: `m${n}`, at: at(n) }));
const EARLY = { "s1.jsonl": [a], "s1/subagents/agent-x.jsonl": [m1, m2, m3] };
const copy = (lines: string | readonly unknown[]) => ({ "s2.jsonl": [b], "s2/subagents/agent-x.jsonl": lines });

const counted = async (books: Books, run: string) => Number((await total(books, run))?.input ?? 0) / 10;
const elsewhere = ({ sessions }: ImportReport, run: string) =>
  sessions.find((session) => session.run === run)?.calls.elsewhere;
const problems = ({ sessions }: ImportReport) =>
  sessions.flatMap((session) => session.problems.map(({ problem }) => problem));

describe("a copied sub-agent", () => {
  const torn = `{"type":"assist\n${[m2, m3].map((line) => JSON.stringify(line)).join("\n")}\n`;
  it.each([
    ["whose first line is torn", torn, 2],
    ["whose first line is lost", [m2, m3], 2],
    ["in another order", [m2, m1, m3], 3],
  ])("%s is counted once, in one import and in two", async (_, lines, held) => {
    const [once, twice] = [await test.open(), await test.open()];
    const report = await importClaudeCode(once.ledger, folderOf({ ...EARLY, ...copy(lines) }), FINAL);
    await importClaudeCode(twice.ledger, folderOf(EARLY), FINAL);
    const later = await importClaudeCode(twice.ledger, folderOf(copy(lines)), FINAL);
    for (const books of [once, twice]) {
      expect(await counted(books, "s1")).toBe(4);
      expect(await counted(books, "s2")).toBe(1);
      const rows = await books.journal();
      await importClaudeCode(books.ledger, folderOf({ ...copy(lines), ...EARLY }), FINAL);
      expect(await books.journal()).toBe(rows);
    }
    expect(elsewhere(report, "s2")).toEqual([{ session: "s1", calls: held }]);
    expect(elsewhere(later, "s2")).toEqual([{ session: "s1", calls: held }]);
  });

  it("counts what nobody else holds, where its own first call is lost", async () => {
    const books = await test.open();
    await importClaudeCode(books.ledger, folderOf({ ...EARLY, ...copy([m4, m2, m5]) }), FINAL);
    expect([await counted(books, "s1"), await counted(books, "s2")]).toEqual([4, 3]);
    await importClaudeCode(books.ledger, folderOf(copy([m4, m2, m5])), FINAL);
    expect([await counted(books, "s1"), await counted(books, "s2")]).toEqual([4, 3]);
  });

  it("that is a turn in a later session is counted once", async () => {
    const books = await test.open();
    await importClaudeCode(books.ledger, folderOf(EARLY), FINAL);
    const report = await importClaudeCode(books.ledger, folderOf({ "s2.jsonl": [m1, b] }), FINAL);
    expect(elsewhere(report, "s2")).toEqual([{ session: "s1", calls: 1 }]);
    expect([await counted(books, "s1"), await counted(books, "s2")]).toEqual([4, 1]);
  });

  it("that is counted in an early copy says how many calls nothing counts", async () => {
    const books = await test.open();
    const whole = { "s1.jsonl": [a], "s1/subagents/agent-x.jsonl": [m1, m2, m3, m4, m5] };
    await importClaudeCode(books.ledger, folderOf(copy([m1, m2])), FINAL);
    for (const files of [whole, { ...whole, ...copy([m1, m2]) }]) {
      const report = await importClaudeCode(books.ledger, folderOf(files), FINAL);
      expect(elsewhere(report, "s1")).toEqual([{ session: "s2", calls: 2 }]);
      expect(problems(report)).toEqual([
        "agent x is counted in session s2; 3 calls that only this copy holds are not counted",
      ]);
    }
    expect([await counted(books, "s1"), await counted(books, "s2")]).toEqual([1, 3]);
  });

  it("whose owner grew after it was settled is the owner's, where both are read", async () => {
    const books = await test.open();
    await importClaudeCode(books.ledger, folderOf(EARLY), FINAL);
    const grown = { "s1.jsonl": [a], "s1/subagents/agent-x.jsonl": [m1, m2, m3, m4, m5] };
    await importClaudeCode(books.ledger, folderOf(grown), FINAL);
    const alone = await importClaudeCode(books.ledger, folderOf(copy([m1, m4])), FINAL);
    expect(problems(alone)).toEqual([
      "agent x is counted in session s1; 1 calls that only this copy holds are not counted, unless they are among the 2 that it grew by there",
    ]);
    const early = assistant({ id: "b", at: at(-9) });
    const both = { ...grown, "s2.jsonl": [early], "s2/subagents/agent-x.jsonl": [m4, m5] };
    const report = await importClaudeCode(books.ledger, folderOf(both), FINAL);
    expect(elsewhere(report, "s2")).toEqual([{ session: "s1", calls: 2 }]);
    expect([await counted(books, "s1"), await counted(books, "s2")]).toEqual([6, 1]);
  });
});

describe("a call of a settled child", () => {
  it("stays there when a fork of that agent is found later, and nobody is said to be refused", async () => {
    for (const options of [FINAL, { now: new Date(at(10)) }]) {
      const books = await test.open();
      const fork = { "s1.jsonl": [a], "s1/subagents/agent-b.jsonl": [m1, m2, m3] };
      await importClaudeCode(books.ledger, folderOf(fork), options);
      const whole = folderOf({ ...fork, "s1/subagents/agent-a.jsonl": [m1, m2] });
      for (const report of [
        await importClaudeCode(books.ledger, whole, options),
        await importClaudeCode(books.ledger, whole, FINAL),
      ]) {
        expect(problems(report)).toEqual([]);
        expect(report.sessions[0]?.children.refused).toBe(0);
      }
      expect(await total(books, "s1", "child_work")).toMatchObject({ iterations: 3, input: 30 });
      expect(await total(books, "s1", "driver_inference")).toMatchObject({ input: 10 });
    }
  });

  it("stays open while its file says nothing", async () => {
    const books = await test.open();
    await importClaudeCode(books.ledger, folderOf(EARLY), { now: new Date(at(10)) });
    await importClaudeCode(books.ledger, folderOf({ ...EARLY, "s1/subagents/agent-x.jsonl": "" }), FINAL);
    const node = "select status from ledger.nodes where tenant_id = $1 and node_id = 's1:x'";
    expect(await books.rows(node)).toEqual([{ status: "dispatched" }]);
  });

  it("waits there when that agent's file is gone", async () => {
    const books = await test.open();
    const fork = { "s1.jsonl": [a], "s1/subagents/agent-b.jsonl": [m1, m2, m3] };
    await importClaudeCode(books.ledger, folderOf(fork), { now: new Date(at(10)) });
    const other = folderOf({ "s1.jsonl": [a], "s1/subagents/agent-a.jsonl": [m1, m2] });
    expect(problems(await importClaudeCode(books.ledger, other, FINAL))).toEqual([
      "agent a began as a copy of another agent of this session, which counts its 2 calls",
    ]);
    await importClaudeCode(books.ledger, folderOf(fork), FINAL);
    expect(await counted(books, "s1")).toBe(4);
  });

  it("stays there when the main file turns up with it and the child's is gone", async () => {
    const books = await test.open();
    await importClaudeCode(books.ledger, folderOf({ "s1/subagents/agent-x.jsonl": [m1, m2] }), FINAL);
    await importClaudeCode(books.ledger, folderOf({ "s1.jsonl": [m1, a] }), FINAL);
    expect(await counted(books, "s1")).toBe(3);
    await importClaudeCode(
      books.ledger,
      folderOf({ "s1.jsonl": [m1, a, m2], "s1/subagents/agent-x.jsonl": [m1, m2] }),
      FINAL,
    );
    expect(await counted(books, "s1"), "a child may lose all of its calls").toBe(3);
    expect(await total(books, "s1", "child_work")).toMatchObject({ iterations: 0, input: 0 });
  });
});

describe("any sessions whose agents have calls in common", () => {
  const NAMES = ["p", "q", "r"];
  const CALLS = 6;
  const some = fc.uniqueArray(fc.nat({ max: CALLS - 1 }), { maxLength: CALLS });
  const session = fc.record({ turns: fc.option(some), x: fc.option(some), y: fc.option(some) });
  const order = fc.array(fc.subarray(NAMES, { minLength: 1 }), { maxLength: 3 });

  it("count no call twice, and tell of those that nobody counts", async () => {
    const line = (call: number) => assistant({ id: `call-${call}`, at: at(call), usage: use(10 ** call, 1) });
    await fc.assert(
      fc.asyncProperty(fc.tuple(session, session, session), order, async (sessions, imports) => {
        const books = await test.open();
        const read = async (names: readonly string[]) => {
          const files = names.flatMap((name) => {
            const { turns, x, y } = sessions[NAMES.indexOf(name)] ?? { turns: null, x: null, y: null };
            const all = {
              [`${name}.jsonl`]: turns ?? [],
              [`${name}/subagents/agent-x.jsonl`]: x,
              [`${name}/subagents/agent-y.jsonl`]: y,
            };
            return Object.entries(all).flatMap(([path, held]) => (held ? [[path, held.map(line)] as const] : []));
          });
          return importClaudeCode(books.ledger, folderOf(Object.fromEntries(files)), FINAL);
        };
        for (const names of imports) await read(names);
        const told = problems(await read(NAMES)).map((problem) =>
          Number(/; (\d+) calls that only/.exec(problem)?.[1] ?? 0),
        );
        const [row] = await books.rows(
          "select coalesce(sum(input_tokens), 0)::int as input from ledger.spent_breakdown where tenant_id = $1 and source = 'total'",
        );
        const times = String(row?.input).padStart(CALLS, "0").split("").reverse().map(Number);
        const held = new Set(sessions.flatMap(({ turns, x, y }) => [turns ?? [], x ?? [], y ?? []].flat()));
        expect(Math.max(...times), `counted ${times}`).toBeLessThanOrEqual(1);
        const missing = [...held].filter((call) => times[call] === 0).length;
        expect(
          told.reduce((sum, calls) => sum + calls, 0),
          `counted ${times}`,
        ).toBeGreaterThanOrEqual(missing);
        const rows = await books.journal();
        await read(NAMES);
        expect(await books.journal(), "importing again adds nothing").toBe(rows);
      }),
      { numRuns: 20, seed: 11, endOnFailure: true },
    );
  }, 120_000);
});
