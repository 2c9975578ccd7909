/** When sub-agents are spawned, settled and corrected. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { importClaudeCode } from "../../src/import/claude-code/import.js";
import { useBooks } from "./books.js";
import { assistant, at, folderOf, use, user, write } from "./files.js";
import { journal, LATER, LIVE, models, only, total } from "./reading.js";

const test = useBooks();

describe("a child", () => {
  const child = "s/subagents/agent-1.jsonl";

  it("is settled when its session is quiet, or for good", async () => {
    const files = { "s.jsonl": [assistant({ id: "a", at: at(1) })], [child]: [assistant({ id: "b", at: at(5) })] };
    for (const [options, settled] of [
      [{ now: new Date(at(14, 59)) }, 0],
      [{ now: new Date(at(15)) }, 1],
      [{ now: new Date(at(5)), final: true }, 1],
      [{}, 1],
    ] as const) {
      const books = await test.open();
      const report = only(await importClaudeCode(books.ledger, folderOf(files), options));
      expect(report.children).toEqual({ found: 1, spawned: 1, settled, open: 1 - settled, refused: 0 });
      expect(report.calls).toMatchObject({ found: 2, new: 1 + settled, waiting: 1 - settled });
      const [node] = await books.rows("select status from ledger.nodes where tenant_id = $1 and node_id = 's:1'");
      expect(node).toEqual({ status: settled ? "done" : "dispatched" });
    }
  });

  it("that was live is settled by a later import, whole", async () => {
    const books = await test.open();
    const folder = folderOf({ "s.jsonl": [assistant({ id: "a" })], [child]: [assistant({ id: "b", at: at(5) })] });
    await importClaudeCode(books.ledger, folder, LIVE);
    write(folder, child, [
      assistant({ id: "b", at: at(5) }),
      assistant({ id: "c", at: at(6), model: "claude-haiku-4-5" }),
    ]);
    await importClaudeCode(books.ledger, folder, LATER);
    expect(await journal(books, "corrected")).toEqual([]);
    expect(await journal(books, "settled")).toMatchObject([
      { node_id: "s:1", iterations: 2, input: 20, output: 10, effective_at: new Date(at(6)) },
    ]);
    expect(await models(books, "s:1")).toEqual([
      { model: "claude-haiku-4-5", calls: 1, input: 10, output: 5 },
      { model: "claude-opus-4-6", calls: 1, input: 10, output: 5 },
    ]);
  });

  it("that was settled and grew is corrected, per model", async () => {
    const books = await test.open();
    const first = assistant({ id: "b", at: at(5), usage: use(10, 1) });
    const folder = folderOf({ "s.jsonl": [assistant({ id: "a" })], [child]: [first] });
    await importClaudeCode(books.ledger, folder, { final: true });
    const more = [
      assistant({ id: "b", at: at(5), usage: use(10, 4) }),
      assistant({ id: "c", at: at(6), model: "claude-haiku-4-5", usage: use(100, 50) }),
      assistant({ id: "d", at: at(7), model: undefined, usage: use(1, 1) }),
    ];
    write(folder, child, [first, ...more]);
    expect(only(await importClaudeCode(books.ledger, folder, LATER)).calls).toMatchObject({ new: 2, corrected: 1 });
    const truth = [
      { model: "claude-haiku-4-5", calls: 1, input: 100, output: 50 },
      { model: "claude-opus-4-6", calls: 1, input: 10, output: 4 },
      { model: "unknown", calls: 1, input: 1, output: 1 },
    ];
    expect(await models(books, "s:1")).toEqual(truth);
    expect(await total(books, "s", "child_work")).toEqual({
      iterations: 3,
      input: 111,
      output: 55,
      tokens_known: true,
    });
    const rows = await books.journal();
    await importClaudeCode(books.ledger, folder, LATER);
    expect(await books.journal()).toBe(rows);

    write(folder, child, [first]);
    await importClaudeCode(books.ledger, folder, LATER);
    expect(await books.journal(), "an import that read less corrects nothing").toBe(rows);
  });

  it("that asked no model is told of, and not spawned", async () => {
    const books = await test.open();
    const folder = folderOf({ "s.jsonl": [assistant({ id: "a" })], [child]: [user({ at: at(5) })] });
    const live = only(await importClaudeCode(books.ledger, folder, LIVE));
    expect(live.problems).toEqual([{ file: "s.jsonl", problem: "agent 1 has no model call yet" }]);
    const quiet = only(await importClaudeCode(books.ledger, folder, LATER));
    expect(quiet.problems).toEqual([{ file: "s.jsonl", problem: "agent 1 has no model call: left out" }]);
    expect(await journal(books, "spawned")).toEqual([]);
  });

  it("without its session is a child of a run whose driver is unknown, until the file turns up", async () => {
    const books = await test.open();
    const folder = folderOf({ [child]: [assistant({ id: "m" }), assistant({ id: "b" })] });
    expect(only(await importClaudeCode(books.ledger, folder)).driverKnown).toBe(false);
    expect(await journal(books, "metered")).toMatchObject([
      { operation_id: "claude-code:session:s:unknown-driver", tokens_known: false, usd_known: false, input: 0 },
    ]);
    const before = await books.journal();
    await importClaudeCode(books.ledger, folder);
    expect(await books.journal()).toBe(before);

    // The child's file began with a copy of a call of the main thread.
    write(folder, "s.jsonl", [assistant({ id: "m" })]);
    expect(only(await importClaudeCode(books.ledger, folder)).problems).toEqual([]);
    expect(await total(books, "s")).toEqual({ iterations: 1, input: 20, output: 10, tokens_known: true });
    expect(await total(books, "s", "child_work")).toEqual({ iterations: 1, input: 10, output: 5, tokens_known: true });
    const after = await books.journal();
    rmSync(join(folder, "s.jsonl"));
    await importClaudeCode(books.ledger, folder);
    expect(await books.journal(), "a file that is gone takes nothing back").toBe(after);
  });
});
