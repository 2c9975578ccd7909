/** What each decoder makes of a part, form by form, and what it leaves alone. */
import { describe, expect, it } from "vitest";
import { decodeToolPart, toolPartDecoders } from "../../../src/supervise/traces/decoders.js";
import type { Harness } from "../../../src/supervise/traces/span.js";

const AT = 1_767_225_600_000;
const seen = { start: AT, end: AT };
const time = { start: 5, end: 9 };
const opencode = (state: unknown, more = {}): object => ({ type: "tool", tool: "bash", callID: "c1", state, ...more });

const ACCEPTED: [harness: Harness, part: object, span: object][] = [
  // opencode: the state decides, and has the times.
  [
    "opencode",
    opencode({ status: "completed", input: { command: "ls" }, output: "a", title: "ls", metadata: {}, time }),
    { name: "bash", args: { command: "ls" }, status: "ok", result: "a", id: "c1", ...time },
  ],
  [
    "opencode",
    opencode({ status: "error", input: { command: "ls" }, error: "denied", time }),
    { name: "bash", args: { command: "ls" }, status: "error", error: "denied", id: "c1", ...time },
  ],
  [
    "opencode",
    opencode({ status: "failed", input: {}, error: "x" }, { callID: undefined }),
    { name: "bash", args: {}, status: "error", error: "x", ...seen },
  ],
  ["opencode", opencode({ status: "done", input: {} }), { name: "bash", args: {}, status: "ok", id: "c1", ...seen }],
  // Anthropic: name, else tool; input, else {}; id, else tool_use_id; no status.
  [
    "anthropic",
    { type: "tool_use", id: "t1", name: "f", input: { a: 1 } },
    { name: "f", args: { a: 1 }, id: "t1", ...seen },
  ],
  ["anthropic", { type: "tool_use", tool_use_id: "t2", tool: "g" }, { name: "g", args: {}, id: "t2", ...seen }],
  [
    "anthropic",
    { type: "tool_use", id: "t1", tool_use_id: "t2", name: "f", tool: "g", input: null },
    { name: "f", args: {}, id: "t1", ...seen },
  ],
  ["anthropic", { type: "tool_use", id: "", name: "f", input: [] }, { name: "f", args: [], ...seen }],
  // OpenAI: function.name, else name; arguments parsed, else the text; id, else function.id; no status.
  [
    "openai",
    { type: "function", id: "o1", function: { name: "f", arguments: '{"b":[1.50]}', id: "o2" } },
    { name: "f", args: { b: [1.5] }, id: "o1", ...seen },
  ],
  ["openai", { type: "tool_call", name: "g", arguments: '{"b":' }, { name: "g", args: '{"b":', ...seen }],
  [
    "openai",
    { type: "function", function: { name: "f", id: "o2", arguments: "" } },
    { name: "f", args: "", id: "o2", ...seen },
  ],
  ["openai", { type: "tool_call", name: "g", arguments: { b: 1 } }, { name: "g", args: { b: 1 }, ...seen }],
  ["openai", { type: "function", name: "g" }, { name: "g", args: undefined, ...seen }],
  // Kimi: either of the two.
  [
    "kimi",
    { type: "tool_use", id: "t1", name: "f", input: { a: 1 } },
    { name: "f", args: { a: 1 }, id: "t1", ...seen },
  ],
  [
    "kimi",
    { type: "function", id: "o1", function: { name: "f", arguments: "3" } },
    { name: "f", args: 3, id: "o1", ...seen },
  ],
];

it.each(ACCEPTED)("%s reads %j", (harness, part, span) => {
  expect(toolPartDecoders[harness](part, AT)).toEqual(span);
  expect(decodeToolPart(part, harness, AT)).toEqual(span);
  // Where nobody says who wrote it, the form does.
  expect(decodeToolPart(part, undefined, AT)).toEqual(span);
  expect(decodeToolPart(part, "aider" as Harness, AT)).toEqual(span);
  expect(decodeToolPart(part, "codex", AT)).toBeUndefined();
});

const LEFT_ALONE: [harness: Harness, part: unknown][] = [
  ["opencode", opencode({ status: "pending", input: {}, raw: "" })],
  ["opencode", opencode({ status: "running", input: {}, time: { start: 5 } })],
  ["opencode", opencode({ input: {} })],
  ["opencode", opencode(undefined)],
  ["opencode", opencode({ status: "completed" }, { tool: "" })],
  ["opencode", { type: "tool-result", tool: "bash", state: { status: "completed" } }],
  ["anthropic", { type: "tool_use", id: "t1", input: {} }],
  ["anthropic", { type: "tool_result", tool_use_id: "t1", name: "f" }],
  ["anthropic", { type: "server_tool_use", id: "t1", name: "web_search" }],
  ["openai", { type: "function_call", call_id: "o1", name: "f", arguments: "{}" }],
  ["openai", { type: "custom", id: "o1", custom: { name: "f", input: "x" } }],
  ["openai", { type: "function", function: { arguments: "{}" } }],
  ["openai", { id: "o1", function: { name: "f", arguments: "{}" } }],
  ["kimi", { type: "ToolCall", payload: { type: "function", function: { name: "f" } } }],
  ["codex", { id: "i1", type: "command_execution", command: "ls", status: "completed" }],
  ["codex", { id: "i1", type: "mcp_tool_call", server: "s", tool: "f", arguments: {}, status: "completed" }],
];

it.each(LEFT_ALONE)("%s leaves %j alone", (harness, part) => {
  expect(toolPartDecoders[harness](part, AT)).toBeUndefined();
  expect(decodeToolPart(part, undefined, AT)).toBeUndefined();
});

describe("what is no part", () => {
  const throwing = {
    get type(): string {
      throw new Error("not for you");
    },
  };
  const late = opencode({
    status: "completed",
    get input() {
      throw new Error("not for you");
    },
  });
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();

  it("is no span and no error", () => {
    const parts = [null, undefined, 0, "tool", Symbol("tool"), 1n, [], () => undefined, throwing, late, proxy];
    for (const decode of [...Object.values(toolPartDecoders), (part: unknown) => decodeToolPart(part)]) {
      expect(parts.map((part) => decode(part))).toEqual(parts.map(() => undefined));
    }
  });
});
