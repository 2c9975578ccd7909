/** What is taken from spans, without a database: which are calls, what they used, and what is wrong with those that are malformed. */
import { describe, expect, it } from "vitest";
import { callOf, toolOf } from "../../../src/import/otel/booking.js";
import { type Kind, kindOf } from "../../../src/import/otel/kinds.js";
import { Links } from "../../../src/import/otel/links.js";
import { refusalOf } from "../../../src/import/otel/refusal.js";
import { holdsMore, readExport, type Span } from "../../../src/import/otel/shapes.js";
import { LedgerError } from "../../../src/ledger/errors.js";
import { chat, exportOf, read, START_MS, span, spanId } from "./otlp.js";

const withAttributes = (attributes: object, more: object = {}): Span => {
  const [one] = read(span("1", "1", undefined, attributes, more)).spans;
  if (!one) throw new Error("no span");
  return one;
};

describe("the kind of a span", () => {
  const usage = { "gen_ai.usage.input_tokens": 1 };
  const model = { "gen_ai.request.model": "m" };
  it.each([
    ["call", { "gen_ai.operation.name": "chat" }],
    ["call", { "gen_ai.operation.name": "text_completion" }],
    ["call", { "gen_ai.operation.name": "generate_content" }],
    ["call", { "gen_ai.operation.name": "embeddings" }],
    ["agent", { "gen_ai.operation.name": "invoke_agent", ...usage, ...model }],
    ["agent", { "gen_ai.operation.name": "create_agent", ...usage, ...model }],
    ["agent", { "gen_ai.operation.name": "invoke_workflow", ...usage, ...model }],
    ["tool", { "gen_ai.operation.name": "execute_tool", ...usage, ...model }],
    // Without a name of the conventions: usage and a model.
    ["call", { "gen_ai.operation.name": "responses", ...usage, ...model }],
    ["call", { "gen_ai.usage.prompt_tokens": 1, "gen_ai.response.model": "m", "llm.request.type": "chat" }],
    ["other", usage],
    ["other", model],
    ["agent", { ...usage, ...model, "traceloop.span.kind": "workflow" }],
    ["agent", { ...usage, ...model, "openinference.span.kind": "AGENT" }],
    ["other", { ...usage, ...model, "openinference.span.kind": "CHAIN" }],
    // The AI SDK: the outer spans hold sums.
    ["other", { "ai.operationId": "ai.streamText", ...usage, ...model }],
    ["call", { "ai.operationId": "ai.streamText.doStream", ...usage, ...model }],
    ["call", { "ai.operationId": "ai.embedMany.doEmbed", "ai.usage.tokens": 3 }],
    ["other", { "ai.operationId": "ai.rerank.doRerank" }],
    ["tool", { "ai.operationId": "ai.toolCall", "ai.toolCall.name": "t" }],
    ["ours", { "gen_ai.operation.name": "chat", "agent_ledger.run.id": "r", ...usage, ...model }],
    ["other", { "http.request.method": "GET" }],
  ])("is %s: %j", (kind, attributes) => expect(kindOf(withAttributes(attributes))).toBe(kind));
});

describe("the spend of a call", () => {
  const unknown = { tokens_known: false, usd_known: false, iterations: 0, ms: 1_000 };
  it.each([
    ["as stated", chat(100, 20), { input_tokens: 100, output_tokens: 20 }],
    [
      "with its parts",
      chat(100, 20, {
        "gen_ai.usage.cache_read.input_tokens": 60,
        "gen_ai.usage.cache_creation.input_tokens": 30,
        "gen_ai.usage.reasoning.output_tokens": 5,
      }),
      { input_tokens: 100, output_tokens: 20, cache_read_tokens: 60, cache_write_tokens: 30, reasoning_tokens: 5 },
    ],
    // An instrumentation that leaves cached tokens out of the input: the part cannot be right, the whole stands.
    [
      "without parts above their whole",
      chat(10, 20, { "gen_ai.usage.cache_read.input_tokens": 60 }),
      { input_tokens: 10, output_tokens: 20 },
    ],
    [
      "by older names",
      { "gen_ai.operation.name": "chat", "gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.completion_tokens": 8 },
      { input_tokens: 7, output_tokens: 8 },
    ],
    [
      "of the AI SDK",
      {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.usage.inputTokens": 7,
        "ai.usage.outputTokens": 0,
        "ai.usage.cachedInputTokens": 2,
      },
      { input_tokens: 7, output_tokens: 0, cache_read_tokens: 2 },
    ],
    [
      "of an embedding",
      { "gen_ai.operation.name": "embeddings", "gen_ai.usage.input_tokens": 9 },
      { input_tokens: 9, output_tokens: 0 },
    ],
    ["0 where 0 is said", chat(0, 0), { input_tokens: 0, output_tokens: 0 }],
    [
      "a number that is written as a fraction of 1",
      chat(3, 4, { "gen_ai.usage.output_tokens": 4.0 }),
      { input_tokens: 3, output_tokens: 4 },
    ],
  ])("%s", (_, attributes, spend) => {
    expect(callOf(withAttributes(attributes)).content.spend).toEqual({
      ...spend,
      iterations: 0,
      ms: 1_000,
      usd_known: false,
    });
  });

  it.each([
    ["nothing is stated", { "gen_ai.operation.name": "chat" }, { input_tokens: 0, output_tokens: 0 }],
    [
      "the output is not stated",
      { "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 5 },
      { input_tokens: 5, output_tokens: 0 },
    ],
    ["a count is none", chat(5, -1), { input_tokens: 5, output_tokens: 0 }],
    ["a count is a text", chat(5, 1, { "gen_ai.usage.output_tokens": "many" }), { input_tokens: 5, output_tokens: 0 }],
    ["it failed", { "gen_ai.operation.name": "chat", "error.type": "500" }, { input_tokens: 0, output_tokens: 0 }],
    [
      "a gateway gave up",
      { "gen_ai.operation.name": "chat", "error.type": "424" },
      { input_tokens: 0, output_tokens: 0 },
    ],
    ["time ran out", { "gen_ai.operation.name": "chat", "error.type": "408" }, { input_tokens: 0, output_tokens: 0 }],
  ])("is unknown where %s", (_, attributes, spend) => {
    expect(callOf(withAttributes(attributes)).content.spend).toEqual({ ...unknown, ...spend });
  });

  it("is a known nothing where the provider rejected the request", () => {
    const rejected = callOf(
      withAttributes({ "gen_ai.operation.name": "chat", "error.type": "429" }, { status: { code: 2 } }),
    );
    expect(rejected.content).toMatchObject({ purpose: "failed", spend: { input_tokens: 0, output_tokens: 0, usd: 0 } });
    expect(rejected.content.spend).not.toHaveProperty("tokens_known");
  });
});

it.each([
  ["openai", "openai"],
  ["aws.bedrock", "aws"],
  ["gcp.vertex_ai", "google"],
  ["x_ai", "x-ai"],
  ["openai.responses", "openai"],
  ["google.generative-ai", "google"],
  ["somebody", "somebody"],
])("names the provider %s as the price book does: %s", (given, provider) => {
  expect(callOf(withAttributes({ "gen_ai.operation.name": "chat", "gen_ai.system": given })).content.provider).toBe(
    provider,
  );
});

it("keeps names, digests and counts of a tool, and no text of anybody's", () => {
  const args = '{"b": 1, "a": "SECRET"}';
  const attributes = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "search",
    "gen_ai.tool.call.id": "c1",
  };
  const tool = toolOf(
    withAttributes({ ...attributes, "gen_ai.tool.call.arguments": args }, { status: { code: 2, message: "SECRET" } }),
  );
  const same = toolOf(
    withAttributes({ ...attributes, "gen_ai.tool.call.arguments": '{"a":"SECRET","b":1}' }, { status: { code: 2 } }),
  );
  expect(tool).toMatchObject({
    content: {
      purpose: "tool",
      // sha256 of {"a":"SECRET","b":1}
      tool_calls: [{ name: "search", id: "c1", status: "error", arguments: ARGUMENTS }],
      spend: { input_tokens: 0, output_tokens: 0, usd: 0, iterations: 0, ms: 1_000 },
    },
  });
  expect(JSON.stringify(tool.content)).not.toContain("SECRET");
  expect(tool.digest).toBe(same.digest);
  // The span's own name may hold what the tool was given.
  const nameless = toolOf(withAttributes({ "ai.operationId": "ai.toolCall" }, { name: "ai.toolCall SECRET" }));
  expect(nameless.content.tool_calls).toEqual([{ name: "tool", status: "ok" }]);
});

const ARGUMENTS = "sha256:198a46623cbf11b1d913ed822e717e6014b5ff26ba4711fcd31706b24f8f72dd";

it("names what is wrong with a span, and reads the others", () => {
  const good = span("1", "1", undefined, chat(1, 1));
  const found = readExport(
    exportOf([
      good,
      { ...good, traceId: "xyz" },
      { ...good, spanId: "0".repeat(16) },
      { ...good, traceId: undefined },
      { ...good, endTimeUnixNano: "soon" },
      { ...good, attributes: {} },
      "no span" as never,
      { ...good, spanId: spanId("A"), parentSpanId: "", startTimeUnixNano: START_MS * 1e6, endTimeUnixNano: "0" },
    ]),
  );
  if ("problem" in found) throw new Error(found.problem);
  expect(found.malformed).toBe(6);
  expect(found.reasons).toEqual([
    "traceId: must be 32 hex digits",
    "spanId: must not be all zeros",
    expect.stringMatching(/^traceId: .*must be 32 hex digits/),
    "endTimeUnixNano: must be nanoseconds since 1970",
    "attributes: must be a list of attributes: key and value",
    expect.stringContaining("must be an object"),
  ]);
  expect(found.spans).toMatchObject([
    { id: spanId("1"), service: "shop", startMs: START_MS, endMs: START_MS + 1_000 },
    { id: spanId("a"), parent: undefined, startMs: START_MS, endMs: undefined },
  ]);
  expect(readExport({ resourceSpans: "x" })).toHaveProperty("problem");
  expect(readExport({})).toEqual({ spans: [], malformed: 0, reasons: [] });
  // Words for the first 200; of an attribute that is none, no word for each.
  const many = readExport(exportOf([...Array(250).fill({}), { ...good, attributes: Array(100_000).fill(1) }]));
  if ("problem" in many) throw new Error(many.problem);
  expect([many.malformed, many.reasons.length]).toEqual([251, 200]);
});

it("counts resources, scopes and spans before it looks at them", () => {
  const holds = (most: number) =>
    [exportOf([{}, {}]), { resourceSpans: [1, { scopeSpans: 2 }, null, {}] }].map((one) => holdsMore(one, most));
  expect([holds(4), holds(3)]).toEqual([
    [false, false],
    [true, true],
  ]);
  expect(holdsMore(exportOf(Array(9).fill(1)), 10)).toBe(true);
  expect([null, 1, [], { resourceSpans: {} }].map((one) => holdsMore(one, 0))).toEqual([false, false, false, false]);
});

it("forgets the eldest links, goes up to a tool or an agent, and finds nothing in a circle", () => {
  const links = new Links(3);
  const link = (id: string, parent: string, kind: Kind = "call") => ({ trace: "t", id, parent, kind });
  links.note([link("a", "b"), link("b", "c", "other"), link("c", "d", "tool"), link("d", "e", "agent")]);
  expect(links.above("t", "a")).toEqual(["b", "c"]);
  expect(links.above("t", "a", ["b", "c"])).toEqual(["b", "c"]);
  links.note([link("x", "y"), link("y", "x")]);
  expect(links.above("t", "x")).toEqual([]);
  expect(links.above("t", "x", ["y"])).toEqual([]);
  expect(links.above("t", "a")).toEqual([]);
  expect(links.above("t", "b")).toEqual(["c"]);
  expect(links.above("u", "b")).toEqual([]);
});

it("has a batch sent again unless the batch itself is at fault", () => {
  const status = (code: string) => refusalOf(new LedgerError(code, "m")).status;
  const passing = ["08006", "25006", "28000", "28P01", "42501", "42P01", "53100", "57P01", "LG006", "LG009", "LG012"];
  expect(passing.map(status)).toEqual(passing.map(() => 503));
  expect(["22003", "23514", "54000", "LG001", "LG005"].map(status)).toEqual([500, 500, 500, 500, 500]);
  expect(refusalOf(new TypeError("SECRET"))).toEqual({ status: 500, message: "not booked" });
});
