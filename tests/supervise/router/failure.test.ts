/** Calls that come to nothing, or only at a later attempt. */
import { getEventListeners } from "node:events";
import { describe, expect, it, vi } from "vitest";
import { piecesOf, usageOf } from "../../wire/openai-chat.js";
import type { Reply } from "../../wire/server.js";
import { AT_ONCE, ask, failureOf, useChatServers } from "./asking.js";

const serve = useChatServers();
const USAGE = usageOf(12, 3, { cost: 0.5 });
const OK: Reply = { says: { text: "Good day.", usage: USAGE } };
const REPORTED = { usage: { input: 12, output: 3 }, costUsd: 0.5, model: "small", providerRequestId: "gen-0" };
const refusal = (status: number, message: string, headers = {}): Reply => ({
  status,
  headers: { ...AT_ONCE, ...headers },
  body: { error: { message, code: status } },
});

/** The server keeps silent until the test's end. */
const SILENT: Reply = { after: new Promise(() => {}) };

describe.each([false, true])("requests that are turned away, stream: %s", (stream) => {
  it("are sent again, and are one call", async () => {
    const { server, chat } = await serve([refusal(429, "slow down"), refusal(503, "no room"), OK], { stream });
    expect(await ask(chat)).toMatchObject({ content: "Good day.", usage: { input: 12, output: 3 }, costUsd: 0.5 });
    expect(server.requests).toHaveLength(3);
    expect(new Set(server.requests.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(server.bill).toEqual([{ request: 2, id: "gen-2", usage: USAGE }]);
  });

  it("are given up when the attempts are used up", async () => {
    const { server, chat } = await serve(() => refusal(500, "out of order", { "x-request-id": "req-7" }), {
      stream,
      maxRetries: 3,
    });
    const error = await failureOf(ask(chat));
    expect(error.message).toBe("the endpoint refused: 500 out of order");
    expect(error.reported).toEqual({ providerRequestId: "req-7" });
    expect(server.requests).toHaveLength(4);
    expect(server.bill).toEqual([]);
  });

  it.each<[string, Reply, RegExp]>([
    ["400", refusal(400, "no such model"), /^the endpoint refused: 400 no such model$/],
    ["a page instead of an error", { status: 404, body: "<html>" }, /^the endpoint refused: 404 <html>$/],
    ["told not to", refusal(500, "final", { "x-should-retry": "false" }), /500 final$/],
    ["asked to wait longer than the patience", refusal(429, "tomorrow", { "retry-after-ms": "86400000" }), /tomorrow$/],
    ["the same by seconds", { ...refusal(429, "tomorrow"), headers: { "retry-after": "86400" } }, /tomorrow$/],
    [
      "the same by date",
      { ...refusal(429, "later"), headers: { "retry-after": "Fri, 01 Jan 2100 00:00:00 GMT" } },
      /later$/,
    ],
  ])("are sent once where a repetition is no use: %s", async (_, reply, message) => {
    const { server, chat } = await serve([reply, OK], { stream });
    expect((await failureOf(ask(chat))).message).toMatch(message);
    expect(server.requests).toHaveLength(1);
  });

  it("are sent again when the connection is lost before an answer, and then refused", async () => {
    const { server, chat } = await serve([{ drops: true }, OK], { stream, maxRetries: 1 });
    expect(await ask(chat)).toMatchObject({ content: "Good day." });
    expect(server.requests).toHaveLength(2);
    await server.stop();
    const { chat: once } = await serve([], { stream, baseURL: server.baseURL, maxRetries: 0 });
    expect((await failureOf(ask(once))).message).toMatch(/^the endpoint was not reached: .*ECONNREFUSED/);
  });
});

describe.each([false, true])("silence and aborts, stream: %s", (stream) => {
  it("gives up on an endpoint that says nothing, and does not ask it again", async () => {
    const { server, chat } = await serve([SILENT, OK], { stream, timeoutMs: 50 });
    const error = await failureOf(ask(chat));
    expect(error.message).toBe("the endpoint was silent for 50 ms");
    expect(error.reported).toEqual({});
    expect(server.requests.length).toBeLessThanOrEqual(1);
  });

  it("gives up on one that falls silent in the middle", async () => {
    const { chat } = await serve([{ ...OK, breaks: { afterPieces: 1, by: "silence" } }], { stream, timeoutMs: 100 });
    expect((await failureOf(ask(chat))).message).toBe("the endpoint was silent for 100 ms");
  });

  it("ends at once when the caller aborts, and leaves nothing behind", async () => {
    const { server, chat } = await serve(() => SILENT, { stream });
    const abort = new AbortController();
    const call = failureOf(ask(chat, { signal: abort.signal }));
    await vi.waitUntil(() => server.requests.length === 1);
    abort.abort(new Error("enough"));
    const error = await call;
    expect(error.message).toBe("the call was aborted: enough");
    expect(error.cause).toBe(abort.signal.reason);
    expect(error.reported).toEqual({});
    expect(getEventListeners(abort.signal, "abort")).toEqual([]);
    await vi.waitUntil(() => server.abandoned.length === 1);
  });

  it("ends at once also in the middle of an answer, and between attempts", async () => {
    const { server, chat } = await serve(
      [
        { ...OK, breaks: { afterPieces: 1, by: "silence" } },
        { ...refusal(429, "a minute"), headers: { "retry-after": "60" } },
      ],
      { stream },
    );
    const middle = new AbortController();
    const first = failureOf(ask(chat, { signal: middle.signal }));
    await vi.waitUntil(() => server.bill.length === 1);
    middle.abort("enough");
    expect((await first).message).toBe("the call was aborted: enough");
    const between = new AbortController();
    const second = failureOf(ask(chat, { signal: between.signal }));
    await vi.waitUntil(() => server.requests.length === 2);
    // The refusal is on its way or waited for: either way no further request follows.
    between.abort("enough");
    expect((await second).message).toBe("the call was aborted: enough");
    expect(server.requests).toHaveLength(2);
  });

  it("sends nothing where it is aborted before, which is known to cost nothing", async () => {
    const { server, chat } = await serve([], { stream, provider: "router" });
    const error = await failureOf(ask(chat, { signal: AbortSignal.abort("over") }));
    expect(error.message).toBe("the call was aborted before it was sent");
    expect(error.reported).toEqual({ usage: { input: 0, output: 0 }, costUsd: 0, provider: "router" });
    expect(server.requests).toEqual([]);
  });
});

describe("whole answers that are none", () => {
  const choice = (message: unknown, finish_reason: unknown = "stop"): object => ({
    id: "gen-0",
    model: "small",
    choices: [{ message, finish_reason }],
    usage: USAGE,
  });

  it.each<[string, unknown, RegExp, object?]>([
    ["cut JSON", '{"id":"x","choices":[', /^the answer is no JSON: /, {}],
    ["JSON of another kind", "[]", /^the endpoint answered no JSON object$/, {}],
    ["null", "null", /^the endpoint answered no JSON object$/, {}],
    ["no choices", { ...choice({}), choices: [] }, /^the answer is malformed: choices: is empty$/],
    ["choices that are none", { ...choice({}), choices: "one" }, /^the answer is malformed: choices: /],
    ["no message", choice(undefined), /^the answer is malformed: choices\.0\.message: /],
    ["content that is none", choice({ content: 7 }), /^the answer is malformed: choices\.0\.message\.content: /],
    [
      "an error object",
      { ...choice({}), error: { message: "no credits", code: 402 } },
      /^the endpoint answered an error: no credits$/,
    ],
    ["an error text", { ...choice({}), error: "no credits" }, /^the endpoint answered an error: no credits$/],
    ["an answer that failed upstream", choice({ content: "Good" }, "error"), /failed in the middle of the answer$/],
    [
      "a tool call without a name",
      choice({ tool_calls: [{ id: "a", function: { arguments: "{}" } }] }),
      /a tool call has no name$/,
    ],
    [
      "nothing, its tokens used up",
      choice({ content: null }, "length"),
      /^the answer is empty: its tokens were used up/,
    ],
    ["nothing, filtered", choice({ content: "" }, "content_filter"), /^the answer is empty: a content filter/],
    [
      "tool calls that are not there",
      choice({ content: null }, "tool_calls"),
      /^the answer is empty: it was to call tools/,
    ],
  ])("%s", async (_, body, message, reported = REPORTED) => {
    const { server, chat } = await serve([{ body }, OK]);
    const error = await failureOf(ask(chat));
    expect(error.message).toMatch(message);
    expect(error.reported).toEqual(reported);
    expect(server.requests).toHaveLength(1);
  });

  it("a page", async () => {
    const { chat } = await serve([{ body: "<html>", headers: { "content-type": "text/html" } }]);
    expect((await failureOf(ask(chat))).message).toBe("the endpoint answered no JSON object");
  });

  it("one that breaks off", async () => {
    const { chat, server } = await serve([{ ...OK, breaks: { afterPieces: 1, by: "cut" } }]);
    const error = await failureOf(ask(chat));
    expect(error.message).toMatch(/^there is no whole answer: terminated/);
    expect(error.reported).toEqual({});
    // The provider charges for it all the same: unknown, not zero.
    expect(server.bill).toHaveLength(1);
  });

  it.each<[string, object, string, object[]]>([
    ["nothing said, by the model's own end", { content: null }, "", []],
    ["a refusal", { content: null, refusal: "I will not." }, "I will not.", []],
    [
      "content in parts",
      { content: [{ type: "text", text: "Good " }, { type: "image" }, { text: "day." }] },
      "Good day.",
      [],
    ],
    [
      "arguments cut at the length",
      { content: "So", tool_calls: [{ id: "a", function: { name: "spawn", arguments: '{"task":"cou' } }] },
      "So",
      [{ id: "a", name: "spawn", arguments: '{"task":"cou' }],
    ],
    [
      "no arguments yet, cut at the length",
      { tool_calls: [{ id: "a", function: { name: "stop" } }] },
      "",
      [{ id: "a", name: "stop", arguments: "" }],
    ],
  ])("but an answer is: %s", async (_, message, content, toolCalls) => {
    const { chat } = await serve([{ body: choice(message, toolCalls.length > 0 ? "length" : "stop") }]);
    expect(await ask(chat)).toEqual({ content, toolCalls, ...REPORTED });
  });
});

describe("streams that break", () => {
  const pieces = piecesOf({ text: "Good day.", usage: USAGE }, { id: "gen-0", model: "small" }, true) as object[];
  const [role = {}, content = {}] = pieces;
  const last = { choices: [], usage: USAGE };
  const { usage: _, costUsd: __, ...NAMES } = REPORTED;

  it.each<[string, unknown[], "end" | "cut", RegExp, object]>([
    ["before any usage", [role, content], "cut", /^there is no whole answer: terminated/, NAMES],
    [
      "orderly, before any usage",
      [role, content],
      "end",
      /^there is no whole answer: the stream ended before the answer did$/,
      NAMES,
    ],
    ["with nothing", [], "end", /the stream ended before the answer did$/, {}],
    ["after the usage, not its end", [role, content, last], "cut", /terminated/, REPORTED],
    [
      "after a count that ran along",
      [role, { ...content, usage: usageOf(12, 1, { ...last.usage, completion_tokens: 1 }) }],
      "cut",
      /terminated/,
      { ...NAMES, usage: { input: 12 } },
    ],
    [
      "by an error in the stream",
      [role, content, last, { error: { message: "no room", code: 502 } }],
      "end",
      /^the endpoint answered an error: no room$/,
      REPORTED,
    ],
    ["by a piece that is no JSON", [role, last, '{"choices":'], "end", /^the answer is no JSON: /, REPORTED],
    [
      "by a piece of another form",
      [role, last, { choices: { delta: 1 } }],
      "end",
      /^the answer is malformed: choices: /,
      REPORTED,
    ],
    ["by a piece that is none", [role, last, 7], "end", /^the answer is malformed: /, REPORTED],
  ])("%s", async (_, sent, by, message, reported) => {
    const { server, chat } = await serve([{ pieces: sent, breaks: { afterPieces: sent.length, by } }, OK], {
      stream: true,
    });
    const error = await failureOf(ask(chat));
    expect(error.message).toMatch(message);
    expect(error.reported).toEqual(reported);
    expect(server.requests).toHaveLength(1);
  });

  it("keep what was reported before they fell silent", async () => {
    const { server, chat } = await serve(
      [{ pieces: [role, last, "never"], bills: USAGE, breaks: { afterPieces: 2, by: "silence" } }],
      { stream: true, timeoutMs: 1_000 },
    );
    const error = await failureOf(ask(chat));
    expect(error.reported).toEqual(REPORTED);
    expect(server.bill).toHaveLength(1);
  });

  it("are answers where a running count ends with the answer", async () => {
    const finish = { choices: [{ index: 0, delta: {}, finish_reason: "stop" }], usage: USAGE };
    const { chat } = await serve([{ pieces: [role, { ...content, usage: usageOf(12, 1) }, finish, "[DONE]"] }], {
      stream: true,
    });
    expect(await ask(chat)).toMatchObject({ usage: { input: 12, output: 3 }, costUsd: 0.5 });
  });
});
