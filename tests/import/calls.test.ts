/** What is booked of a call, and what happens to it when its session grows. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { importClaudeCode } from "../../src/import/claude-code/import.js";
import { useBooks } from "./books.js";
import { assistant, at, folderOf, use, user, write } from "./files.js";
import { journal, LATER, only, total } from "./reading.js";

const test = useBooks();

describe("a call", () => {
  it("that grew is corrected, with the tools seen only now", async () => {
    const books = await test.open();
    const line = { id: "a", at: at(1), usage: use(10, 1, 5, 3), tools: [["t1", "Read"]] } as const;
    const folder = folderOf({ "s.jsonl": [assistant(line)] });
    await importClaudeCode(books.ledger, folder);
    const grown = assistant({
      ...line,
      usage: use(10, 9, 5, 3),
      tools: [
        ["t2", "Read"],
        ["t3", "Bash"],
      ],
      at: at(2),
    });
    appendFileSync(join(folder, "s.jsonl"), JSON.stringify(grown));
    const report = await importClaudeCode(books.ledger, folder);
    expect(only(report).calls).toEqual({ found: 1, new: 0, corrected: 1, waiting: 0, elsewhere: [] });
    expect(await journal(books, "metered")).toMatchObject([{ input: 18, output: 1, tool_calls: ["Read"], turn: 0 }]);
    expect(await journal(books, "corrected")).toMatchObject([
      {
        operation_id: "claude-code:a:req-a:corrected:1",
        input: 0,
        output: 8,
        tool_calls: ["Read", "Bash"],
        reason: "session grew",
        effective_at: new Date(at(1)),
      },
    ]);
  });

  it("that only asked for one more tool is corrected by its name", async () => {
    const books = await test.open();
    const folder = folderOf({ "s.jsonl": [assistant({ id: "a" })] });
    await importClaudeCode(books.ledger, folder);
    write(folder, "s.jsonl", [assistant({ id: "a" }), assistant({ id: "a", tools: [["t", "Bash"]] })]);
    await importClaudeCode(books.ledger, folder);
    expect(await journal(books, "corrected")).toMatchObject([{ input: 0, output: 0, tool_calls: ["Bash"] }]);
  });

  it("has the tools that somebody stated in more than a name", async () => {
    const books = await test.open();
    const folder = folderOf({ "s.jsonl": [assistant({ id: "a" })] });
    await importClaudeCode(books.ledger, folder);
    const [{ operation_id } = {}] = await journal(books, "metered");
    const spend = { iterations: 0, input_tokens: 10, output_tokens: 5, usd_known: false };
    const tool_calls = ["Read", { name: "Bash", id: "t", status: "ok" }];
    const correction = { op: "correct", operation_id: "own", of: operation_id, spend, tool_calls, reason: "tools" };
    expect(await books.ledger.apply([correction])).toMatchObject([{ status: "ok" }]);
    write(folder, "s.jsonl", [
      assistant({ id: "a" }),
      ...["Bash", "Edit", "Read"].map((tool) => assistant({ id: "a", tools: [[`t-${tool}`, tool]] })),
    ]);
    await importClaudeCode(books.ledger, folder);
    expect(await journal(books, "corrected")).toMatchObject([{ operation_id: "own" }, { tool_calls: ["Edit"] }]);
  });

  it("without usage is unknown until a line states it", async () => {
    const books = await test.open();
    const folder = folderOf({ "s.jsonl": [assistant({ id: "a", usage: undefined }), assistant({ id: "b" })] });
    const report = await importClaudeCode(books.ledger, folder);
    expect(only(report).problems).toMatchObject([{ file: "s.jsonl", line: 1 }]);
    expect(await total(books, "s")).toEqual({ iterations: 0, input: 10, output: 5, tokens_known: false });
    appendFileSync(join(folder, "s.jsonl"), JSON.stringify(assistant({ id: "a", usage: use(7, 0) })));
    await importClaudeCode(books.ledger, folder);
    expect(await total(books, "s")).toEqual({ iterations: 0, input: 17, output: 5, tokens_known: true });
  });

  it("is not corrected by an import that read less than is booked", async () => {
    const books = await test.open();
    const less = folderOf({ "s.jsonl": [assistant({ id: "a", usage: use(1, 1), tools: [["t", "Read"]] })] });
    const more = folderOf({
      "s.jsonl": [
        assistant({
          id: "a",
          usage: use(1, 9),
          tools: [
            ["t", "Read"],
            ["u", "Bash"],
          ],
        }),
      ],
    });
    await importClaudeCode(books.ledger, more);
    const rows = await books.journal();
    await importClaudeCode(books.ledger, less);
    expect(await books.journal()).toBe(rows);
  });

  it("keeps the dollars that somebody has booked for it, as an estimate once it grew", async () => {
    const books = await test.open();
    const folder = folderOf({ "s.jsonl": [assistant({ id: "a", usage: use(1, 1) })] });
    await importClaudeCode(books.ledger, folder);
    const spend = { iterations: 0, input_tokens: 1, output_tokens: 1, usd: "0.25" };
    await books.ledger.apply([
      { op: "correct", operation_id: "priced", of: "claude-code:a:req-a", spend, reason: "priced" },
    ]);
    const rows = await books.journal();
    await importClaudeCode(books.ledger, folder);
    expect(await books.journal(), "a receipt is nothing to correct").toBe(rows);
    write(folder, "s.jsonl", [assistant({ id: "a", usage: use(1, 5) })]);
    await importClaudeCode(books.ledger, folder);
    expect(await journal(books, "corrected")).toMatchObject([
      { usd: "0.25", usd_known: true },
      { output: 4, usd: "0", usd_known: false },
    ]);
  });

  it("whose tokens somebody has corrected is left as it is booked, and told", async () => {
    const books = await test.open();
    const folder = folderOf({ "s.jsonl": [assistant({ id: "a", usage: use(1, 2) })] });
    await importClaudeCode(books.ledger, folder);
    const spend = { iterations: 0, input_tokens: 1, output_tokens: 1, usd_known: false };
    await books.ledger.apply([
      { op: "correct", operation_id: "by hand", of: "claude-code:a:req-a", spend, reason: "invoice" },
    ]);
    const rows = await books.journal();
    const report = await importClaudeCode(books.ledger, folder);
    expect(await books.journal()).toBe(rows);
    expect(only(report).problems).toEqual([
      { file: "s.jsonl", problem: expect.stringContaining("left as it is booked") },
    ]);
  });

  it("leaves no text of the session in the ledger", async () => {
    const books = await test.open();
    const lines = [user(), assistant({ id: "a", tools: [["t", "Task"]] }), user({ of: "t", spawned: "1" })];
    await importClaudeCode(books.ledger, folderOf({ "s.jsonl": lines, "s/subagents/agent-1.jsonl": lines }), LATER);
    const [row] = await books.rows(
      "select count(*)::int as found from ledger.journal j where tenant_id = $1 and j::text like '%SECRET%'",
    );
    expect(row).toEqual({ found: 0 });
  });

  it("keeps what its price depends on", async () => {
    const books = await test.open();
    const cache_creation = { ephemeral_5m_input_tokens: 1, ephemeral_1h_input_tokens: 2, note: "SECRET" };
    const usage = {
      ...use(10, 5, 0, 3),
      cache_creation,
      service_tier: "batch",
      server_tool_use: { web_search_requests: 4 },
    };
    await importClaudeCode(books.ledger, folderOf({ "s.jsonl": [assistant({ id: "a", usage })] }));
    expect((await journal(books, "metered"))[0]?.detail).toEqual({
      message_id: "a",
      service_tier: "batch",
      cache_creation: { ephemeral_5m_input_tokens: 1, ephemeral_1h_input_tokens: 2 },
      server_tool_use: { web_search_requests: 4 },
    });
  });

  it("of an unknown model, without a time or with one to come, is booked all the same", async () => {
    const books = await test.open();
    const lines = [
      assistant({ id: "a", model: "gpt-7" }),
      assistant({ id: "b", model: undefined }),
      { ...assistant({ id: "c" }), timestamp: undefined },
      assistant({ id: "d", at: "2099-01-01T00:00:00Z" }),
      assistant({ id: "e", model: "<synthetic>", usage: use(0, 0) }),
    ];
    const report = only(await importClaudeCode(books.ledger, folderOf({ "s.jsonl": lines })));
    expect(report).toMatchObject({ calls: { found: 4, new: 4 }, synthetic: 1 });
    expect(report.problems.map(({ line }) => line)).toEqual([1, 2, 3, 4]);
    expect((await journal(books, "metered")).map(({ model, turn }) => [model, turn])).toEqual([
      ["gpt-7", 0],
      [null, 1],
      ["claude-opus-4-6", 2],
      ["claude-opus-4-6", 3],
    ]);
  });
});
