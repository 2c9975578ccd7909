/** Calls that several sessions hold, because one was resumed or forked from another: each is counted once. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { importClaudeCode } from "../../src/import/claude-code/import.js";
import type { ImportReport } from "../../src/import/claude-code/report.js";
import { type Books, useBooks } from "./books.js";
import { assistant, at, folderOf, temporaryFolder, use, write } from "./files.js";

const test = useBooks();

const a = assistant({ id: "a", at: at(1) });
const b = assistant({ id: "b", at: at(2) });
const c = assistant({ id: "c", at: at(3) });
const d = assistant({ id: "d", at: at(4) });
const x = assistant({ id: "x", at: at(2, 30) });
const y = assistant({ id: "y", at: at(2, 40) });

/** `early` began it, `later` is a fork of it that went on, with a sub-agent in both. */
const FORKED = {
  "early.jsonl": [a, b],
  "early/subagents/agent-1.jsonl": [x],
  "later.jsonl": [a, b, c],
  "later/subagents/agent-1.jsonl": [x],
};

const calls = (report: ImportReport) =>
  report.sessions.map(({ run, calls: { found, new: added, elsewhere } }) => [run, found, added, ...elsewhere]);

const spent = (books: Books) =>
  books.rows(
    `select run_id as run, input_tokens::int / 10 as calls, iterations::int from ledger.spent_breakdown
     where tenant_id = $1 and source = 'total' order by run_id`,
  );

/** A folder with some of the forked sessions. */
function some(...sessions: readonly string[]): string {
  const all = folderOf(FORKED);
  const folder = temporaryFolder();
  for (const session of sessions) {
    cpSync(join(all, `${session}.jsonl`), join(folder, `${session}.jsonl`));
    cpSync(join(all, session), join(folder, session), { recursive: true });
  }
  return folder;
}

async function againAddsNothing(books: Books, ...folders: readonly string[]): Promise<void> {
  const rows = await books.journal();
  for (const folder of folders) await importClaudeCode(books.ledger, folder);
  expect(await books.journal()).toBe(rows);
}

const EARLY_FIRST = [
  { run: "early", calls: 3, iterations: 1 },
  { run: "later", calls: 1, iterations: 0 },
];

describe("a call that two sessions hold", () => {
  it("is counted in the earlier one of one import, and the later one says so", async () => {
    const books = await test.open();
    const report = await importClaudeCode(books.ledger, folderOf(FORKED));
    expect(calls(report)).toEqual([
      ["early", 3, 3],
      ["later", 4, 1, { session: "early", calls: 3 }],
    ]);
    expect(report.totals).toMatchObject({ calls: 7, new: 4, elsewhere: 3 });
    expect(await spent(books)).toEqual(EARLY_FIRST);
    await againAddsNothing(books, folderOf(FORKED), some("later"), some("early"));
  });

  it("is counted in the earlier one of two imports", async () => {
    const books = await test.open();
    await importClaudeCode(books.ledger, some("early"));
    expect(calls(await importClaudeCode(books.ledger, some("later")))).toEqual([
      ["later", 4, 1, { session: "early", calls: 3 }],
    ]);
    expect(await spent(books)).toEqual(EARLY_FIRST);
    await againAddsNothing(books, some("later"), some("early"), folderOf(FORKED));
  });

  it("stays where it was booked first, whichever began earlier", async () => {
    const books = await test.open();
    await importClaudeCode(books.ledger, some("later"));
    expect(calls(await importClaudeCode(books.ledger, folderOf(FORKED)))).toEqual([
      ["early", 3, 0, { session: "later", calls: 3 }],
      ["later", 4, 0],
    ]);
    expect(await spent(books), "a copy that adds nothing is no run").toEqual([
      { run: "later", calls: 4, iterations: 1 },
    ]);
    await againAddsNothing(books, some("early"), some("later"), folderOf(FORKED));
  });

  it("is corrected where it is counted", async () => {
    const books = await test.open();
    await importClaudeCode(books.ledger, some("later"));
    const grown = assistant({ id: "a", at: at(1), usage: use(30, 9) });
    const folder = folderOf({ ...FORKED, "early.jsonl": [grown, b], "later.jsonl": [grown, b, c] });
    expect(
      (await importClaudeCode(books.ledger, folder)).sessions.map(({ run, calls: { corrected } }) => [run, corrected]),
    ).toEqual([
      ["early", 0],
      ["later", 1],
    ]);
    expect(await spent(books)).toEqual([{ run: "later", calls: 6, iterations: 1 }]);
  });

  it("is counted once among three, in the order of their ends where they began together", async () => {
    const books = await test.open();
    const report = await importClaudeCode(
      books.ledger,
      folderOf({ "p.jsonl": [a, b, d], "q.jsonl": [a, b], "r.jsonl": [a, b, c] }),
    );
    expect(calls(report)).toEqual([
      ["q", 2, 2],
      ["r", 3, 1, { session: "q", calls: 2 }],
      ["p", 3, 1, { session: "q", calls: 2 }],
    ]);
  });
});

describe("a call that two files of a session hold", () => {
  it("is the main file's before a child's, a child's before a compaction's", async () => {
    const books = await test.open();
    const folder = folderOf({
      "s.jsonl": [a, b],
      "s/subagents/agent-1.jsonl": [a, x, y],
      "s/subagents/agent-2.jsonl": [x, c],
      "s/subagents/agent-acompact-3.jsonl": [b, y, d],
    });
    expect(calls(await importClaudeCode(books.ledger, folder))).toEqual([["s", 6, 6]]);
    const own =
      "select node_id, own_input_tokens::int / 10 as calls from ledger.trajectory where tenant_id = $1 order by node_id";
    expect(await books.rows(own)).toEqual([
      { node_id: "s", calls: 3 },
      { node_id: "s:1", calls: 2 },
      { node_id: "s:2", calls: 1 },
    ]);
    await againAddsNothing(books, folder);
  });
});

describe("a child that two sessions hold", () => {
  it("is counted whole in one; what only the other copy holds is told", async () => {
    const books = await test.open();
    const folder = folderOf({ ...FORKED, "later/subagents/agent-1.jsonl": [x, y] });
    const report = await importClaudeCode(books.ledger, folder);
    expect(report.sessions[1]?.problems).toEqual([
      {
        file: "later.jsonl",
        problem: "agent 1 is counted in session early; 1 calls that only this copy holds are not counted",
      },
    ]);
    expect(await spent(books)).toEqual(EARLY_FIRST);
    await againAddsNothing(books, folder, some("later"));
  });

  it("that was refused in one is not let into the other", async () => {
    const books = await test.open();
    await importClaudeCode(books.ledger, some("early"), { budget: { tokens: "20" } });
    expect(calls(await importClaudeCode(books.ledger, some("later")))).toEqual([
      ["later", 4, 1, { session: "early", calls: 3 }],
    ]);
    expect(await spent(books)).toEqual(EARLY_FIRST);
    await againAddsNothing(books, some("later"), some("early"));
  });

  it("that began as a copy of another session's history counts what is its own", async () => {
    const books = await test.open();
    const folder = folderOf({ "early.jsonl": [a, b], "later.jsonl": [c], "later/subagents/agent-1.jsonl": [a, x] });
    await importClaudeCode(books.ledger, folder);
    expect(await spent(books)).toEqual([
      { run: "early", calls: 2, iterations: 0 },
      { run: "later", calls: 2, iterations: 1 },
    ]);
    const alone = temporaryFolder();
    write(alone, "later.jsonl", [c]);
    write(alone, "later/subagents/agent-1.jsonl", [a, x]);
    await againAddsNothing(books, alone, folder);
  });
});

describe("any sessions with calls in common", () => {
  const NAMES = ["p", "q", "r"];
  const CALLS = 6;
  const main = fc.uniqueArray(fc.nat({ max: CALLS - 1 }), { maxLength: CALLS });
  const order = fc.array(fc.subarray(NAMES, { minLength: 1 }), { maxLength: 4 });

  it("count each call once, in whatever order they are imported", async () => {
    await fc.assert(
      fc.asyncProperty(fc.tuple(main, main, main), order, async (sessions, imports) => {
        const books = await test.open();
        for (const names of [...imports, NAMES]) {
          const files = names.map((name) => {
            const held = sessions[NAMES.indexOf(name)] ?? [];
            return [
              `${name}.jsonl`,
              held.map((call) => assistant({ id: `call-${call}`, at: at(call), usage: use(10 ** call, 1) })),
            ];
          });
          await importClaudeCode(books.ledger, folderOf(Object.fromEntries(files)));
        }
        const held = new Set(sessions.flat());
        const expected = [...held].reduce((sum, call) => sum + 10 ** call, 0);
        const text =
          "select coalesce(sum(input_tokens), 0)::int as input, count(*)::int as calls from ledger.journal where tenant_id = $1";
        expect(await books.rows(`${text} and kind = 'metered'`)).toEqual([{ input: expected, calls: held.size }]);
      }),
      { numRuns: 20, seed: 5, endOnFailure: true },
    );
  }, 120_000);
});
