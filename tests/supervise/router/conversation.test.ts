/** What is said to an endpoint, and what is heard of it. */
import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import type { ChatTool } from "../../../src/supervise/driver/chat.js";
import { piecesOf, usageOf } from "../../wire/openai-chat.js";
import { ask, useChatServers } from "./asking.js";

const serve = useChatServers();

const SPAWN: ChatTool = {
  name: "spawn_worker",
  description: "Gives work to a worker",
  parameters: { type: "object", properties: { task: { type: "string" } }, required: ["task"] },
};

describe.each([false, true])("stream: %s", (stream) => {
  it("carries messages, and an answer with its usage, model and id", async () => {
    const { server, chat } = await serve(
      [{ says: { text: "Good day.", usage: usageOf(12, 3), model: "small-2026" } }],
      {
        stream,
      },
    );
    const messages = [
      { role: "system", content: "Be short." },
      { role: "user", content: "Say ✓ hello." },
    ] as const;
    expect(await ask(chat, { messages })).toEqual({
      content: "Good day.",
      toolCalls: [],
      usage: { input: 12, output: 3 },
      model: "small-2026",
      providerRequestId: "gen-0",
    });
    // No tools, no settings: nothing of them on the wire.
    const usage = stream ? { stream_options: { include_usage: true } } : {};
    expect(server.requests.map(({ body }) => body)).toEqual([{ model: "small", messages, stream, ...usage }]);
    expect(server.requests[0]?.headers.authorization).toBe("Bearer key");
    expect(chat).toMatchObject({ model: "small", inference: "metered" });
  });

  it("carries tools, calls and results there and back", async () => {
    const calls = [
      { id: "call_a", name: "spawn_worker", arguments: '{"task":"zählen"}' },
      { id: "call_b", name: "spawn_worker", arguments: '{"task":"count"}' },
    ];
    const { server, chat } = await serve(
      [{ says: { toolCalls: calls, usage: usageOf(20, 9) } }, { says: { text: "Done.", usage: usageOf(40, 2) } }],
      { stream },
    );
    const first = await ask(chat, { tools: [SPAWN] });
    expect(first).toMatchObject({ content: "", toolCalls: calls, usage: { input: 20, output: 9 } });
    await ask(chat, {
      tools: [SPAWN],
      messages: [
        { role: "user", content: "Go." },
        { role: "assistant", content: first.content, toolCalls: first.toolCalls },
        ...calls.map(({ id }) => ({ role: "tool", toolCallId: id, content: `{"workerId":"${id}"}` }) as const),
        { role: "assistant", content: "And?", toolCalls: [{ id: "c", name: "stop", arguments: "{not json" }] },
        { role: "assistant", content: "", toolCalls: [] },
      ],
    });
    const { messages, tools } = server.requests[1]?.body ?? {};
    expect(tools).toEqual([{ type: "function", function: SPAWN }]);
    const wire = ({ id, name, arguments: written }: (typeof calls)[number]) => ({
      id,
      type: "function",
      function: { name, arguments: written },
    });
    expect(messages).toEqual([
      { role: "user", content: "Go." },
      { role: "assistant", content: null, tool_calls: calls.map(wire) },
      { role: "tool", tool_call_id: "call_a", content: '{"workerId":"call_a"}' },
      { role: "tool", tool_call_id: "call_b", content: '{"workerId":"call_b"}' },
      {
        role: "assistant",
        content: "And?",
        tool_calls: [
          { id: "c", type: "function", function: { name: "stop", arguments: '{"unparsable":"{not json"}' } },
        ],
      },
      { role: "assistant", content: "" },
    ]);
  });

  it("tells parallel calls apart", async () => {
    // The answers come in the opposite order.
    const open: (() => void)[] = [];
    const gates = Array.from({ length: 8 }, (_, mine) => new Promise<void>((resolve) => (open[mine] = resolve)));
    const { server, chat } = await serve(
      async ({ body }) => {
        const [{ content }] = body.messages;
        const mine = Number(content);
        await gates[mine];
        open[mine - 1]?.();
        return { says: { text: `answer ${mine}`, usage: usageOf(mine, 2 * mine) } };
      },
      { stream },
    );
    const asked = gates.map((_, mine) => ask(chat, { messages: [{ role: "user", content: String(mine) }] }));
    open.at(-1)?.();
    const answers = await Promise.all(asked);
    expect(answers.map(({ content, usage }) => [content, usage])).toEqual(
      gates.map((_, mine) => [`answer ${mine}`, { input: mine, output: 2 * mine }]),
    );
    expect(server.bill).toHaveLength(8);
  });
});

describe("options", () => {
  it("go over the wire, through a client of the program's own too", async () => {
    const { server, chat } = await serve(
      [{ says: { text: "Yes.", provider: "Upstream" } }, { says: { text: "Yes." } }],
      {
        provider: "openrouter",
        temperature: 0,
        maxTokens: 77,
        extraBody: { reasoning_effort: "low", stream_options: undefined },
        headers: { "x-title": "tests" },
        stream: true,
      },
    );
    expect(await ask(chat)).toMatchObject({ provider: "openrouter" });
    expect(server.requests[0]?.body).toEqual({
      model: "small",
      messages: [{ role: "user", content: "Go." }],
      temperature: 0,
      max_completion_tokens: 77,
      reasoning_effort: "low",
      stream: true,
    });
    expect(server.requests[0]?.headers["x-title"]).toBe("tests");
    const client = new OpenAI({ baseURL: server.baseURL, apiKey: "of the program" });
    const own = await serve([], { client, baseURL: undefined, apiKey: undefined });
    await ask(own.chat);
    expect(server.requests[1]?.headers.authorization).toBe("Bearer of the program");
  });

  it("send no key of the environment's to another endpoint", async () => {
    const before = process.env.OPENAI_API_KEY;
    process.env.OPENAI_API_KEY = "secret";
    try {
      const { server, chat } = await serve([{ says: { text: "Yes." } }], { apiKey: undefined });
      await ask(chat);
      expect(server.requests[0]?.headers.authorization).toBeUndefined();
    } finally {
      if (before === undefined) delete process.env.OPENAI_API_KEY;
      else process.env.OPENAI_API_KEY = before;
    }
  });
});

describe("a stream", () => {
  const delta = (tool_calls: unknown[]): object => ({
    choices: [{ index: 0, delta: { tool_calls }, finish_reason: null }],
  });
  const end = [{ choices: [{ index: 0, delta: {}, finish_reason: "tool_calls" }] }, "[DONE]"];
  const text = (name: string, written?: unknown): object => ({ name, arguments: written });

  it.each([
    [
      "ids and names in pieces",
      [
        delta([{ index: 0, id: "ca", function: text("spa") }]),
        delta([{ index: 0, id: "ll", function: text("wn", "{") }]),
        delta([{ index: 0, function: { arguments: "}" } }]),
      ],
      [["call", "spawn", "{}"]],
    ],
    [
      "ids and names with every piece, and empty ones",
      [
        delta([{ index: 0, id: "a", function: text("spawn", '{"x"') }]),
        delta([{ index: 0, id: "a", function: text("spawn", ":1") }]),
        delta([{ index: 0, id: "", function: text("", "}") }]),
      ],
      [["a", "spawn", '{"x":1}']],
    ],
    [
      "several calls interleaved, in one piece too, and out of order",
      [
        delta([
          { index: 1, id: "b", function: text("stop", "") },
          { index: 0, id: "a", function: text("spawn", "{") },
        ]),
        delta([
          { index: 1, function: { arguments: "{" } },
          { index: 0, function: { arguments: '"x":' } },
        ]),
        delta([
          { index: 0, function: { arguments: "1}" } },
          { index: 1, function: { arguments: "}" } },
        ]),
      ],
      [
        ["b", "stop", "{}"],
        ["a", "spawn", '{"x":1}'],
      ],
    ],
    [
      "whole calls that all have the same index",
      [
        delta([{ index: 0, id: "a", function: text("spawn", "{}") }]),
        delta([{ index: 0, id: "b", function: text("stop", "{}") }]),
      ],
      [
        ["a", "spawn", "{}"],
        ["b", "stop", "{}"],
      ],
    ],
    [
      "no index, arguments as an object, and none",
      [delta([{ id: "a", function: text("spawn", { x: 1 }) }]), delta([{ id: "b", function: text("stop") }])],
      [
        ["a", "spawn", '{"x":1}'],
        ["b", "stop", "{}"],
      ],
    ],
  ])("puts calls together: %s", async (_, pieces, expected) => {
    const { chat } = await serve([{ pieces: [...pieces, ...end] }], { stream: true });
    const { toolCalls, usage } = await ask(chat);
    expect(toolCalls.map(({ id, name, arguments: written }) => [id, name, written])).toEqual(expected);
    expect(usage).toBeUndefined();
  });

  it("gives calls without an id, or with that of another, one of their own", async () => {
    const calls = [{ name: "a" }, { name: "b", id: "same" }, { name: "c", id: "same" }];
    const { chat } = await serve([{ says: { toolCalls: calls.map(({ id = "", ...call }) => ({ ...call, id })) } }]);
    const { toolCalls } = await ask(chat);
    expect(toolCalls.map(({ name }) => name)).toEqual(["a", "b", "c"]);
    expect(new Set(toolCalls.map(({ id }) => id)).size).toBe(3);
    expect(toolCalls[1]?.id).toBe("same");
  });

  it("is whole once the model has said why it ended, though the usage never comes", async () => {
    const all = piecesOf({ text: "Good day.", usage: usageOf(5, 2) }, { id: "x", model: "small" }, true);
    const { chat } = await serve([{ pieces: all, breaks: { afterPieces: all.length - 2, by: "cut" } }], {
      stream: true,
    });
    expect(await ask(chat)).toEqual({ content: "Good day.", toolCalls: [], model: "small", providerRequestId: "x" });
  });
});
