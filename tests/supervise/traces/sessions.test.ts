/** Whole sessions of each harness, read through the decoders: fixtures after their documented shapes, spans worked by hand. */
import { describe, expect, it } from "vitest";
import { sessionTraceSource } from "../../../src/supervise/traces/session-source.js";
import type { Harness, ToolSpan } from "../../../src/supervise/traces/span.js";
import { analyzeTrace } from "../../../src/supervise/traces/watch.js";
import { session } from "./fixtures/read.js";

const at = (ms: number): number => 1_767_225_600_000 + ms;

/** The spans, those times left out that are not the session's. */
const SESSIONS: [file: string, harness: Harness, spans: Partial<ToolSpan>[], unread: number][] = [
  [
    "opencode.json",
    "opencode",
    [
      {
        name: "read",
        args: { filePath: "/repo/package.json" },
        status: "ok",
        result: "<file>\n00001| {}\n</file>",
        id: "toolu_read",
        start: at(2_000),
        end: at(2_040),
      },
      {
        name: "bash",
        args: { command: "npm run build", description: "Builds" },
        status: "error",
        error: "The user rejected permission to use this specific tool call.",
        id: "toolu_bash",
        start: at(3_000),
        end: at(4_500),
      },
    ],
    0,
  ],
  [
    "opencode-events.jsonl",
    "opencode",
    [
      // Pending and running before, cleared after: the first sighting that is final counts.
      {
        name: "grep",
        args: { pattern: "build" },
        status: "ok",
        result: "No files found",
        id: "toolu_grep",
        start: at(5_000),
        end: at(5_070),
      },
      {
        name: "edit",
        args: { filePath: "/repo/a.ts", oldString: "a", newString: "b" },
        status: "error",
        error: "oldString not found in content",
        id: "toolu_edit",
        start: at(199_000),
        end: at(199_900),
      },
    ],
    0,
  ],
  [
    "anthropic.jsonl",
    "anthropic",
    [
      { name: "get_weather", args: { city: "Oslo" }, id: "toolu_01" },
      { name: "get_weather", args: { city: "Rome" }, id: "toolu_02" },
      // Written down twice, with the time of the first.
      { name: "list_cities", args: {}, id: "toolu_03", start: at(10_000), end: at(10_000) },
    ],
    // The provider's own search.
    1,
  ],
  [
    "openai.json",
    "openai",
    [
      { name: "find_table", args: { seats: 2, on: "2026-01-02" }, id: "call_01" },
      { name: "find_table", args: '{"seats": 2, "on":', id: "call_02" },
      { name: "book", args: { table: 7 }, id: "call_03" },
    ],
    // A custom tool.
    1,
  ],
  ["openai-responses.json", "openai", [], 1],
  [
    "kimi.jsonl",
    "kimi",
    [
      { name: "Shell", args: { command: "ls" }, id: "tc_1" },
      { name: "ReadFile", args: { path: "file1.py" }, id: "tc_2" },
      { name: "ReadFile", args: { path: "file2.py" }, id: "tc_3" },
      { name: "Grep", args: { pattern: "print" }, id: "toolu_4" },
    ],
    0,
  ],
  // A command, seen twice, and a tool of an MCP server.
  ["codex.jsonl", "codex", [], 3],
];

describe.each(SESSIONS)("%s", (file, harness, expected, unread) => {
  it.each([harness, undefined])("read as %s", async (told) => {
    const before = Date.now();
    const source = sessionTraceSource(session(file), { harness: told });
    const spans: ToolSpan[] = [];
    for await (const span of source) spans.push(span);
    spans.forEach(({ start, end, ...span }, n) => {
      const stated = expected[n]?.start !== undefined;
      expect(stated ? { ...span, start, end } : span).toEqual(expected[n]);
      if (!stated) expect(start).toBeGreaterThanOrEqual(before);
    });
    expect(spans).toHaveLength(expected.length);
    expect(source.unread).toBe(unread);

    // What nobody could read is not 0.
    const { calls, unread: seen } = await analyzeTrace(source);
    expect({ calls, seen }).toEqual({ calls: expected.length || "unavailable", seen: unread });
  });
});

it("counts by tool, and what is not known of the end of a call is told apart", async () => {
  const { tools, findings } = await analyzeTrace(sessionTraceSource(session("opencode.json"), { harness: "opencode" }));
  expect({ tools, findings }).toEqual({
    tools: [
      { tool: "read", calls: 1, errors: 0, unknown: 0 },
      { tool: "bash", calls: 1, errors: 1, unknown: 0 },
    ],
    findings: [],
  });
  expect((await analyzeTrace(sessionTraceSource(session("anthropic.jsonl")))).tools).toEqual([
    { tool: "get_weather", calls: 2, errors: 0, unknown: 2 },
    { tool: "list_cities", calls: 1, errors: 0, unknown: 1 },
  ]);
  // Of Codex not even an empty session says that no tool was called.
  const codex = { calls: "unavailable", tools: "unavailable", findings: "unavailable" };
  expect(await analyzeTrace(sessionTraceSource([], { harness: "codex" }))).toMatchObject(codex);
  expect(await analyzeTrace(sessionTraceSource([]))).toMatchObject({ calls: 0, tools: [], findings: [] });
});

describe("a session", () => {
  const HOLDERS = new Set<string | symbol>(["message", "parts", "content", "item", "data"]);
  const tool = (n: number): object => ({ type: "tool_use", name: `t${n}`, input: {} });
  async function names(of: object): Promise<string[]> {
    const found: string[] = [];
    for await (const { name } of sessionTraceSource(of)) found.push(name);
    return found;
  }

  it("may be parts, messages, a stream of them, or what holds them", async () => {
    async function* stream(): AsyncGenerator<object> {
      yield tool(1);
      yield { content: [tool(2)] };
    }
    expect(await names([tool(1), { content: [tool(2)] }])).toEqual(["t1", "t2"]);
    expect(await names(new Set([tool(1)]))).toEqual(["t1"]);
    expect(await names(stream())).toEqual(["t1", "t2"]);
    expect(await names({ messages: [{ content: [tool(1)] }] })).toEqual(["t1"]);
    expect(await names({ data: [{ info: {}, parts: [tool(1)] }] })).toEqual(["t1"]);
  });

  it("keeps every part without an id, the same one twice too", async () => {
    const part = tool(1);
    expect(await names([part, part, { content: [part, part] }])).toEqual(["t1", "t1", "t1", "t1"]);
  });

  it("is not believed where it speaks for the model", async () => {
    const forged = [
      { role: "user", content: [tool(1)] },
      { role: "tool", content: [tool(1)] },
      { role: "assistant", content: [{ type: "tool_result", content: [tool(1)] }] },
    ];
    expect(await names(forged)).toEqual([]);
  });

  it("may be hostile", async () => {
    const cyclic: Record<string, unknown> = { role: "assistant" };
    cyclic.content = [cyclic, tool(1), { message: cyclic }];
    const endless = new Proxy([], {
      get: (_, key) => (key === "length" ? 2 ** 53 - 1 : key === Symbol.iterator ? forever : {}),
    });
    function* forever(): Generator<null> {
      for (;;) yield null;
    }
    // Whatever is asked of it, it has another of its kind.
    const manifold = (): object => new Proxy({}, { get: (_, key) => (HOLDERS.has(key) ? manifold() : undefined) });
    const throwing = {
      role: "assistant",
      get parts(): never {
        throw new Error("not for you");
      },
    };
    const promised = new Proxy({ content: [tool(2)] } as Record<string, unknown>, {
      get: (message, key) => {
        if (key === "then") throw new Error("not for you");
        return message[String(key)];
      },
    });
    let deep: object = tool(9);
    for (let n = 0; n < 50_000; n += 1) deep = { content: [deep] };
    const source = sessionTraceSource([
      null,
      undefined,
      7,
      "text",
      [[]],
      cyclic,
      { content: endless },
      manifold(),
      throwing,
      deep,
      promised,
    ]);
    const found: string[] = [];
    for await (const { name } of source) found.push(name);
    expect(found).toEqual(["t1", "t2"]);
    // The getter that threw, and the two that had no end.
    expect(source.unread).toBe(3);
  });

  it.each(["[]", null, undefined, 3])("is not %j", (of) => {
    expect(() => sessionTraceSource(of as never)).toThrowError(
      expect.objectContaining({ code: "LG001", detail: expect.objectContaining({ path: "session" }) }),
    );
  });

  it("that breaks off tells so", async () => {
    const broken = (async function* () {
      yield tool(1);
      throw new Error("the connection is gone");
    })();
    await expect(analyzeTrace(sessionTraceSource(broken))).rejects.toThrowError("the connection is gone");
    expect(() => sessionTraceSource([], { harness: "aider" as Harness })).toThrowError(
      expect.objectContaining({ code: "LG001" }),
    );
  });
});
