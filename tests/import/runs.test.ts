/** What is booked of a session as a whole: its run, its budget, and what the ledger does not take. */
import { describe, expect, it } from "vitest";
import { Complaint } from "../../src/database/complaint.js";
import { importClaudeCode } from "../../src/import/claude-code/import.js";
import { useBooks } from "./books.js";
import { assistant, at, folderOf, use, user, write } from "./files.js";
import { journal, only, total } from "./reading.js";

const test = useBooks();

describe("a session", () => {
  it("with side chains has them as children", async () => {
    const books = await test.open();
    const chain = [
      user({ uuid: "top", side: true, at: at(2) }),
      assistant({ id: "b", uuid: "b", parent: "top", side: true, at: at(3) }),
    ];
    const folder = folderOf({
      "s.jsonl": [assistant({ id: "a", at: at(1) }), ...chain, assistant({ id: "c", at: at(4) })],
    });
    await importClaudeCode(books.ledger, folder);
    expect((await journal(books, "metered")).map(({ turn }) => turn)).toEqual([0, 1]);
    expect(await journal(books, "spawned")).toMatchObject([{ node_id: "s:top", effective_at: new Date(at(2)) }]);
    expect(await journal(books, "settled")).toMatchObject([
      { node_id: "s:top", iterations: 1, effective_at: new Date(at(3)) },
    ]);
  });

  it("without any call opens no run", async () => {
    const books = await test.open();
    const report = only(await importClaudeCode(books.ledger, folderOf({ "s.jsonl": [user()] })));
    expect(report).toMatchObject({ calls: { found: 0 }, problems: [] });
    expect(await books.journal()).toBe(0);
  });

  it("is booked in the order in which things happened", async () => {
    const books = await test.open();
    const lines = [
      assistant({ id: "a", at: at(3) }),
      assistant({ id: "b", at: at(1) }),
      assistant({ id: "c", at: at(2) }),
    ];
    const folder = folderOf({ "s.jsonl": lines, "s/subagents/agent-1.jsonl": [assistant({ id: "d", at: at(2, 30) })] });
    await importClaudeCode(books.ledger, folder);
    const rows = await books.rows("select kind, turn from ledger.journal where tenant_id = $1 order by seq");
    expect(rows.map(({ kind, turn }) => turn ?? kind)).toEqual(["opened", 1, 2, "spawned", "dispatched", "settled", 0]);
  });
});

describe("a budget", () => {
  const session = {
    "s.jsonl": [assistant({ id: "a", at: at(1), usage: use(90, 0) })],
    "s/subagents/agent-1.jsonl": [
      assistant({ id: "b", at: at(2), usage: use(20, 5) }),
      assistant({ id: "c", at: at(3), usage: use(1, 1) }),
    ],
  };

  it("caps the run, and gives a child the ceiling it is known to have used", async () => {
    const books = await test.open();
    const folder = folderOf(session);
    await importClaudeCode(books.ledger, folder, { budget: { tokens: "1000", usd: "5", iterations: "9" } });
    const channels =
      "select channel, total, free, committed from ledger.channels where tenant_id = $1 order by channel";
    expect(await books.rows(channels)).toEqual([
      { channel: "iterations", total: "9", free: "7", committed: "2" },
      { channel: "tokens", total: "1000", free: "883", committed: "117" },
      { channel: "usd", total: "5", free: "5", committed: "0" },
    ]);
    const [node] = await books.rows("select budget from ledger.nodes where tenant_id = $1 and node_id = 's:1'");
    expect(node).toEqual({ budget: { tokens: 27, iterations: 2 } });
    const again = only(await importClaudeCode(books.ledger, folder, { budget: { tokens: "5" } }));
    expect(again.problems).toEqual([{ file: "s.jsonl", problem: "the run exists and keeps its budget" }]);
  });

  it("that refuses a child has its calls in the run's own pool, and the refusal on record", async () => {
    const books = await test.open();
    const folder = folderOf(session);
    const report = only(await importClaudeCode(books.ledger, folder, { budget: { tokens: "100" } }));
    expect(report).toMatchObject({ calls: { new: 3 }, children: { spawned: 0, refused: 1 } });
    expect(report.problems).toEqual([{ file: "s.jsonl", problem: expect.stringContaining("agent 1 was refused") }]);
    expect(
      await books.rows("select operation_id, label, code, shortfall from ledger.refusals where tenant_id = $1"),
    ).toEqual([
      {
        operation_id: "claude-code:agent:b:req-b",
        label: "agent-1",
        code: "budget-exhausted",
        shortfall: [{ channel: "tokens", requested: "27", free: "10" }],
      },
    ]);
    expect(await total(books, "s")).toEqual({ iterations: 2, input: 111, output: 6, tokens_known: true });
    expect((await journal(books, "metered")).map(({ detail, turn }) => [detail, turn])).toMatchObject([
      [{ message_id: "a" }, 0],
      [{ message_id: "b", agent: "1" }, null],
      [{ message_id: "c", agent: "1" }, null],
    ]);

    const grown = [
      ...session["s/subagents/agent-1.jsonl"],
      assistant({ id: "c", usage: use(1, 3) }),
      assistant({ id: "d", usage: use(2, 2) }),
    ];
    write(folder, "s/subagents/agent-1.jsonl", grown);
    expect(only(await importClaudeCode(books.ledger, folder)).calls).toMatchObject({ new: 1, corrected: 1 });
    expect(await total(books, "s")).toEqual({ iterations: 3, input: 113, output: 10, tokens_known: true });
  });

  it("that makes no sense is complained about, and nothing is booked", async () => {
    const books = await test.open();
    const broken = importClaudeCode(books.ledger, folderOf(session), { budget: { tokens: "many" } });
    await expect(broken).rejects.toThrow(Complaint);
    expect(await books.journal()).toBe(0);
  });
});

describe("what the ledger does not take", () => {
  it("an id in use for something else, is told, and the rest is booked", async () => {
    const books = await test.open();
    const pool = { op: "open_pool", pool_id: "p", channels: {} };
    const again = { op: "thaw", pool_id: "p" };
    await books.ledger.apply([
      { ...pool, operation_id: "1" },
      { ...again, operation_id: "claude-code:a:req-a" },
    ]);
    const lines = [assistant({ id: "a" }), assistant({ id: "b" })];
    const report = only(await importClaudeCode(books.ledger, folderOf({ "s.jsonl": lines })));
    expect(report.calls).toMatchObject({ found: 2, new: 1 });
    expect(report.problems).toEqual([
      { file: "s.jsonl", problem: "not booked: the operation id claude-code:a:req-a is in use for something else" },
    ]);
  });

  it("a run whose id a node has, is told once", async () => {
    const books = await test.open();
    await books.ledger.apply([
      { op: "open_pool", operation_id: "1", pool_id: "p", channels: {} },
      { op: "spawn", operation_id: "2", pool_id: "p", node_id: "s", label: "s", budget: {} },
    ]);
    const lines = [assistant({ id: "a" }), assistant({ id: "b" })];
    const folder = folderOf({ "s.jsonl": lines, "t.jsonl": [assistant({ id: "c" })] });
    const { sessions } = await importClaudeCode(books.ledger, folder);
    expect(sessions.map(({ calls, problems }) => [calls.new, problems.length])).toEqual([
      [0, 1],
      [1, 0],
    ]);
    expect(sessions[0]?.problems[0]?.problem).toMatch(/^not booked: open_pool claude-code:session:s:opened: LG011/);
  });

  it("a time that is the future to the server, is left out", async () => {
    const books = await test.open();
    const ahead: typeof books.ledger.apply = (operations) =>
      books.ledger.apply(
        operations.map((operation) =>
          "effective_at" in operation && operation.op === "meter"
            ? { ...operation, effective_at: "2099-01-01T00:00:00.000Z" }
            : operation,
        ),
      );
    const folder = folderOf({ "s.jsonl": [assistant({ id: "a" })] });
    const report = only(
      await importClaudeCode({ tenantId: books.tenantId, db: books.ledger.db, apply: ahead }, folder),
    );
    expect(report.calls).toMatchObject({ found: 1, new: 1 });
    expect(report.problems).toEqual([{ file: "s.jsonl", problem: expect.stringContaining("for the future") }]);
  });
});

describe("progress", () => {
  it("is told for every session read and booked", async () => {
    const books = await test.open();
    const told: unknown[] = [];
    const folder = folderOf({ "s.jsonl": [assistant({ id: "a" })], "t.jsonl": [assistant({ id: "b" })] });
    await importClaudeCode(books.ledger, folder, {
      onProgress: ({ session, done, total: all }) => told.push([session, done, all]),
    });
    expect(told).toEqual([
      ["s", 1, 4],
      ["t", 2, 4],
      ["s", 3, 4],
      ["t", 4, 4],
    ]);
  });
});
