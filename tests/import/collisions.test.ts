/** Ids that could be taken for others, and names that are in use already. */
import { describe, expect, it } from "vitest";
import { part } from "../../src/import/claude-code/ids.js";
import { importClaudeCode } from "../../src/import/claude-code/import.js";
import { type Books, useBooks } from "./books.js";
import { assistant, at, folderOf } from "./files.js";
import { total } from "./reading.js";

const test = useBooks();
const FINAL = { final: true };

const counted = async (books: Books, run: string) => Number((await total(books, run))?.input ?? 0) / 10;

describe("an id", () => {
  it("is part of a key as it is, unless it could be taken for another key", () => {
    for (const id of ["msg_01ABC", "req_011CS", "a-b.c~d", ""]) expect(part(id)).toBe(id);
    expect(["a:b", "a%3Ab", "agent", "%agent"].map(part)).toEqual(["a%3Ab", "a%253Ab", "%agent", "%25agent"]);
    expect(part(":".repeat(72)).length).toBeLessThanOrEqual(72);
  });

  it("that holds colons is no other call's, spawn's or opening's", async () => {
    const books = await test.open();
    const folder = folderOf({
      "s1.jsonl": [
        assistant({ id: "a:b", request: "c", at: at(0) }),
        assistant({ id: "a", request: "b:c", at: at(1) }),
        assistant({ id: "session", request: "s2:opened", at: at(2) }),
        assistant({ id: "agent", request: "k:req-k", at: at(3) }),
        assistant({ id: "line", request: "u", at: at(4) }),
        assistant({ uuid: "u", at: at(4) }),
      ],
      "s2.jsonl": [assistant({ id: "b", at: at(5) })],
      "s3.jsonl": [assistant({ id: "q", at: at(9) })],
      "s3/subagents/agent-x.jsonl": [assistant({ id: "k", at: at(8) })],
    });
    const { sessions } = await importClaudeCode(books.ledger, folder, FINAL);
    expect(sessions.map(({ run, calls }) => [run, calls.found, calls.new])).toEqual([
      ["s1", 6, 6],
      ["s2", 1, 1],
      ["s3", 2, 2],
    ]);
    expect([await counted(books, "s1"), await counted(books, "s2"), await counted(books, "s3")]).toEqual([6, 1, 2]);
  });

  it("that would open the run, in use in another pool, is told of; other sessions go on", async () => {
    const books = await test.open();
    await books.ledger.apply([
      { op: "open_pool", operation_id: "claude-code:session:s:opened", pool_id: "other", channels: {} },
    ]);
    const folder = folderOf({ "s.jsonl": [assistant({ id: "a" })], "t.jsonl": [assistant({ id: "b", at: at(1) })] });
    const { sessions } = await importClaudeCode(books.ledger, folder);
    expect(sessions.map(({ problems }) => problems)).toEqual([
      [
        {
          file: "s.jsonl",
          problem:
            "not booked: the operation id claude-code:session:s:opened that opens the run is in use in the pool other",
        },
      ],
      [],
    ]);
    expect(await counted(books, "t")).toBe(1);
  });
});

describe("a session whose books do not come to rest", () => {
  it("is told of; other sessions go on", async () => {
    const books = await test.open();
    // Somebody used the id that settles the child: it can neither be settled nor left.
    await books.ledger.apply([
      { op: "open_pool", operation_id: "claude-code:agent:b:req-b:settled", pool_id: "other", channels: {} },
    ]);
    const folder = folderOf({
      "s.jsonl": [assistant({ id: "a" })],
      "s/subagents/agent-1.jsonl": [assistant({ id: "b", at: at(1) })],
      "t.jsonl": [assistant({ id: "c", at: at(2) })],
    });
    const { sessions } = await importClaudeCode(books.ledger, folder, FINAL);
    expect(sessions.map(({ run, problems, calls }) => [run, problems, calls.waiting])).toEqual([
      [
        "s",
        [
          {
            file: "s.jsonl",
            problem: "the books of this session kept changing while it was imported: import it again",
          },
        ],
        1,
      ],
      ["t", [], 0],
    ]);
    expect([await counted(books, "s"), await counted(books, "t")]).toEqual([1, 1]);
  });
});

describe("a session that is named like a pool", () => {
  it("which is no run is told of, and books nothing there", async () => {
    const books = await test.open();
    await books.ledger.apply([
      { op: "open_pool", operation_id: "o", pool_id: "org", channels: { tokens: { total: "1000" } } },
    ]);
    const a = assistant({ id: "a", at: at(0) });
    const folder = folderOf({
      "org.jsonl": [a],
      "org/subagents/agent-x.jsonl": [assistant({ id: "b", at: at(1) })],
      "t.jsonl": [a, assistant({ id: "c", at: at(2) })],
    });
    const { sessions } = await importClaudeCode(books.ledger, folder, FINAL);
    expect(sessions[0]).toMatchObject({
      run: "org",
      problems: [
        { file: "org.jsonl", problem: "a pool of the id org exists and is no run: nothing of this session is booked" },
      ],
    });
    const pool =
      "select committed::int from ledger.channels where tenant_id = $1 and pool_id = 'org' and channel = 'tokens'";
    expect(await books.rows(pool)).toEqual([{ committed: 0 }]);
    expect(await counted(books, "t"), "another session that holds a copy counts it").toBe(2);
  });
});
