/** What is read out of session files: calls, children, and what is wrong. No ledger is asked. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findSessions } from "../../src/import/claude-code/folder.js";
import { readSession, type Session } from "../../src/import/claude-code/session.js";
import { assistant, at, folderOf, use, user } from "./files.js";

const LATER = Date.UTC(2026, 5);

async function read(path: string): Promise<Session[]> {
  const { root, sessions } = await findSessions(path);
  return Promise.all(sessions.map((files) => readSession(files, root, LATER)));
}

async function only(files: Readonly<Record<string, string | readonly unknown[]>>): Promise<Session> {
  const [session, ...more] = await read(folderOf(files));
  if (!session || more.length > 0) throw new Error("one session was expected");
  return session;
}

const main = (lines: string | readonly unknown[]) => only({ "s.jsonl": lines });

describe("a call", () => {
  it("over several lines counts once, with the line of the largest output, the later one of two", async () => {
    const session = await main([
      assistant({ id: "a", at: at(1), usage: use(3, 1, 100, 10), tools: [["t1", "Read"]] }),
      assistant({ id: "a", at: at(2), usage: use(3, 9, 100, 20), tools: [["t2", "Read"]] }),
      assistant({
        id: "a",
        at: at(3),
        usage: use(3, 9, 100, 30),
        tools: [
          ["t2", "Read"],
          ["t3", "Bash"],
        ],
      }),
      assistant({ id: "a", at: at(4), usage: use(3, 2, 100, 40) }),
      assistant({ id: "b", at: at(5) }),
    ]);
    expect(session.turns).toEqual([
      expect.objectContaining({
        key: "a:req-a",
        at: Date.parse(at(1)),
        tools: ["Read", "Read", "Bash"],
        usage: expect.objectContaining({ output_tokens: 9, cache_creation_input_tokens: 30 }),
      }),
      expect.objectContaining({ key: "b:req-b", tools: [] }),
    ]);
    expect(session.problems).toEqual([]);
  });

  it("is named by what ids it has, by its line where it has none", async () => {
    const session = await main([
      assistant({ id: "a", request: undefined }),
      assistant({ id: "a", request: undefined }),
      { ...assistant({ id: "b" }), requestId: undefined },
      assistant({ request: "r" }),
      assistant({ uuid: "u" }),
      { ...assistant({}), uuid: undefined },
      assistant({ id: "x".repeat(73), uuid: "too-long" }),
    ]);
    expect(session.turns?.map(({ key }) => key)).toEqual([
      "a:req-a",
      "b:",
      ":r",
      "line:u",
      "line:s:6",
      "line:too-long",
    ]);
    expect(session.problems.map(({ line }) => line)).toEqual([5, 6, 7]);
  });

  it("without usage is kept as unknown, unless another of its lines states it", async () => {
    const session = await main([
      assistant({ id: "a", usage: undefined }),
      assistant({ id: "b", usage: { input_tokens: -1, output_tokens: 2 } }),
      assistant({ id: "c", usage: { input_tokens: "many", output_tokens: 2 } }),
      assistant({ id: "d", usage: undefined }),
      assistant({ id: "d", usage: use(1, 2) }),
      assistant({ id: "e", usage: { input_tokens: Number.MAX_SAFE_INTEGER, output_tokens: 1 } }),
    ]);
    expect(session.turns?.map(({ usage }) => usage?.output_tokens)).toEqual([
      undefined,
      undefined,
      undefined,
      2,
      undefined,
    ]);
    expect(session.problems.map(({ line, problem }) => [line, problem.slice(0, 13)])).toEqual(
      [1, 2, 3, 4, 6].map((line) => [line, "usage missing"]),
    );
  });

  it("of an unknown model is kept and told of once; a synthetic one that used nothing is none", async () => {
    const session = await main([
      assistant({ id: "a", model: "gpt-7" }),
      assistant({ id: "b", model: "gpt-7" }),
      assistant({ id: "c", model: undefined }),
      assistant({ id: "d", model: "<synthetic>", usage: use(0, 0) }),
      assistant({ id: "e", model: "<synthetic>", usage: undefined }),
      assistant({ id: "f", model: "<synthetic>", usage: use(1, 0) }),
      assistant({ id: "g", model: "claude-opus-4-6\u0000" }),
    ]);
    expect(session.turns?.map(({ key, model }) => [key, model])).toEqual([
      ["a:req-a", "gpt-7"],
      ["b:req-b", "gpt-7"],
      ["c:req-c", undefined],
      ["f:req-f", "<synthetic>"],
      ["g:req-g", undefined],
    ]);
    expect(session.synthetic).toBe(2);
    expect(session.problems).toEqual([
      { file: "s.jsonl", line: 1, problem: "unknown model gpt-7" },
      { file: "s.jsonl", line: 3, problem: "a model call without a model's name" },
      { file: "s.jsonl", line: 6, problem: "unknown model <synthetic>" },
    ]);
  });

  it("without a time that can be true has none", async () => {
    const session = await main([
      { ...assistant({ id: "a" }), timestamp: undefined },
      assistant({ id: "b", at: "soon" }),
      assistant({ id: "c", at: "2099-01-01T00:00:00Z" }),
      assistant({ id: "d", at: at(1) }),
    ]);
    expect(session.turns?.map((call) => call.at)).toEqual([undefined, undefined, undefined, Date.parse(at(1))]);
    expect(session).toMatchObject({ firstAt: Date.parse(at(1)), lastAt: Date.parse(at(1)) });
    expect(session.problems.map(({ line }) => line)).toEqual([1, 2, 3]);
  });
});

describe("a line", () => {
  it("that is torn or foreign is told with its number and costs nothing else", async () => {
    const good = assistant({ id: "a" });
    const session = await main(
      [
        '{"type":"assist',
        JSON.stringify(good),
        "[1]",
        "null",
        "{}",
        '{"type":"assistant"}',
        "",
        "  ",
        '{"type":"summary"}',
        JSON.stringify(assistant({ id: "b" })).slice(0, -5),
      ].join("\n"),
    );
    expect(session.turns).toHaveLength(1);
    expect(session.problems.map(({ line, problem }) => [line, problem.slice(0, 4)])).toEqual([
      [1, "torn"],
      [3, "fore"],
      [4, "fore"],
      [5, "fore"],
      [6, "fore"],
      [10, "torn"],
    ]);
  });

  it("may hold the separators of Unicode, end in CRLF, or lack its end", async () => {
    const odd = { ...assistant({ id: "a" }), text: "\u2028 \u2029 \u0085" };
    const session = await main(`${JSON.stringify(odd)}\r\n${JSON.stringify(assistant({ id: "b" }))}`);
    expect(session.turns).toHaveLength(2);
    expect(session.problems).toEqual([]);
  });

  it("may be longer than a chunk of the file", async () => {
    const session = await main([{ ...assistant({ id: "a" }), text: "é".repeat(300_000) }, assistant({ id: "b" })]);
    expect(session.turns).toHaveLength(2);
  });
});

describe("a file", () => {
  it("of rubbish makes no report of its size", async () => {
    const session = await main("{\n".repeat(1_000));
    expect(session.problems).toHaveLength(202);
    expect(session.problems[200]?.problem).toBe("800 more problems of this file are not listed");
  });

  it("that is empty, or that cannot be read, is told and costs nothing else", async () => {
    const folder = folderOf({ "s.jsonl": [assistant({ id: "a" })], "s/subagents/agent-1.jsonl": "" });
    mkdirSync(join(folder, "s/subagents/agent-2.jsonl"));
    const [session] = await read(folder);
    expect(session?.turns).toHaveLength(1);
    expect(session?.problems).toEqual([
      { file: join("s", "subagents", "agent-1.jsonl"), problem: "empty file" },
      { file: join("s", "subagents", "agent-2.jsonl"), problem: "unreadable file: EISDIR" },
    ]);
  });
});

describe("a child", () => {
  it("is spawned where the session asked for it, and lasts from its first line to its last", async () => {
    const session = await only({
      "s.jsonl": [
        assistant({ id: "a", at: at(1), tools: [["t1", "Task"]] }),
        user({ of: "t1", spawned: "7", at: at(9) }),
      ],
      "s/subagents/agent-7.jsonl": [
        user({ at: at(2) }),
        assistant({ id: "b", at: at(3), side: true }),
        user({ at: at(8) }),
      ],
      "s/subagents/agent-8.jsonl": [user({ at: at(4) })],
    });
    expect(session.children).toEqual([
      {
        id: "7",
        calls: [expect.objectContaining({ key: "b:req-b" })],
        spawnedAt: Date.parse(at(1)),
        firstAt: Date.parse(at(2)),
        lastAt: Date.parse(at(8)),
      },
      { id: "8", calls: [], firstAt: Date.parse(at(4)), lastAt: Date.parse(at(4)) },
    ]);
  });

  it("may stand in the main file: by its agent, else by the top of its chain, also where that is lost", async () => {
    const session = await main([
      assistant({ id: "m", uuid: "m" }),
      user({ uuid: "top", side: true }),
      assistant({ id: "a", uuid: "a", parent: "top", side: true }),
      user({ uuid: "other", parent: "m", side: true }),
      assistant({ id: "b", parent: "other", side: true }),
      assistant({ id: "c", parent: "a", side: true }),
      assistant({ id: "d", parent: "lost", side: true }),
      assistant({ id: "e", parent: "lost", side: true }),
      assistant({ id: "f", parent: "a", side: true, agent: "named" }),
      assistant({ id: "g", side: true, agent: "acompact-1" }),
    ]);
    expect(session.turns?.map(({ key }) => key)).toEqual(["m:req-m"]);
    expect(session.children.map(({ id, calls }) => [id, ...calls.map(({ messageId }) => messageId)])).toEqual([
      ["top", "a", "c"],
      ["other", "b"],
      ["lost", "d", "e"],
      ["named", "f"],
    ]);
    expect(session.compactions.map(({ messageId }) => messageId)).toEqual(["g"]);
  });

  it("is the same one in the main file and in a file of its own", async () => {
    const line = assistant({ id: "b", side: true, agent: "7" });
    const session = await only({
      "s.jsonl": [assistant({ id: "a" }), line],
      "s/subagents/agent-7.jsonl": [line, assistant({ id: "c" })],
    });
    expect(session.children.map(({ calls }) => calls.map(({ messageId }) => messageId))).toEqual([["b", "c"]]);
  });
});
