/** How calls end that do not simply answer: retries, refusals of the provider, lost connections, and programs that have heard enough. */
import OpenAI from "openai";
import { describe, expect, it, vi } from "vitest";
import { LedgerError } from "../../src/ledger/errors.js";
import { anthropicUsage } from "../wire/anthropic.js";
import { usageOf } from "../wire/openai-chat.js";
import { errorReply, type Reply } from "../wire/server.js";
import { type Metered, settled, thrown, useMetered } from "./metered.js";

const meter = useMetered();

const messages = [{ role: "user" as const, content: "Go." }];
const chat = { model: "gpt-5-mini", messages };
const message = { model: "claude-opus-4-6", messages, max_tokens: 99 };
const AT_ONCE = { "retry-after-ms": "1" };
const SAID: Reply = { says: { text: "Gone.", usage: usageOf(11, 5) } };
const WRITTEN: Reply = { says: { text: "Gone.", usage: anthropicUsage(11, 5) } };

/** Says nothing more after so many events of a stream. */
function silentAfter(afterPieces: number, reply: Reply): Reply {
  return { ...reply, breaks: { afterPieces, by: "silence" } };
}

/** Outcome, reason, tokens in and out, whether they are known, of each call. */
async function ends(metered: Metered): Promise<unknown[]> {
  const rows = await settled(metered);
  return rows.map(({ outcome, reason, tokens, known }) => [outcome, reason, ...tokens.slice(0, 2), known]);
}

describe("a call that is tried again", () => {
  it("is one call of the ledger per attempt: what was not taken used nothing, what failed inside is unknown", async () => {
    const turnedAway = [
      ["down", "status 429", 0, 0, true],
      ["down", "status 500", 0, 0, false],
      ["done", null, 11, 5, true],
    ];
    for (const format of ["openai-chat", "anthropic"] as const) {
      const answer = format === "anthropic" ? WRITTEN : SAID;
      const metered = await meter([errorReply(format, 429, AT_ONCE), errorReply(format, 500, AT_ONCE), answer], {
        maxRetries: 2,
      });
      await (format === "anthropic"
        ? metered.anthropic.messages.create(message)
        : metered.openai.chat.completions.create(chat));
      expect(await ends(metered)).toEqual(turnedAway);
      expect(metered.server.bill).toHaveLength(1);
    }
  });

  it("stops where the pool cannot pay for the next attempt", async () => {
    const metered = await meter([errorReply("openai-chat", 500, AT_ONCE), SAID], {
      budget: { iterations: 1 },
      maxRetries: 2,
    });
    expect(await thrown(() => metered.openai.chat.completions.create(chat))).toMatchObject({
      name: "CallRefusedError",
      shortfall: [{ channel: "iterations", requested: "1", free: "0" }],
    });
    expect(metered.server.requests).toHaveLength(1);
  });
});

it("errors of the provider are the client's own, and used nothing where the request was not taken", async () => {
  for (const [status, known] of [
    [400, true],
    [401, true],
    [404, true],
    [408, false],
    [409, false],
    [422, true],
    [499, false],
    [503, false],
  ] as const) {
    const metered = await meter([errorReply("openai-chat", status), errorReply("anthropic", status)]);
    expect(await thrown(() => metered.openai.chat.completions.create(chat))).toMatchObject({ status });
    expect(await thrown(() => metered.anthropic.messages.create(message))).toMatchObject({ status });
    const row = ["down", `status ${status}`, 0, 0, known];
    expect(await ends(metered)).toEqual([row, row]);
  }
});

describe("a lost connection", () => {
  it("used nothing where it was never made, else nobody knows", async () => {
    const metered = await meter([{ drops: true }]);
    expect(await thrown(() => metered.openai.chat.completions.create(chat))).toBeInstanceOf(OpenAI.APIConnectionError);
    await metered.server.stop();
    expect(await thrown(() => metered.openai.chat.completions.create(chat))).toBeInstanceOf(OpenAI.APIConnectionError);
    expect(await ends(metered)).toEqual([
      ["down", "TypeError UND_ERR_SOCKET", 0, 0, false],
      ["down", "TypeError ECONNREFUSED", 0, 0, true],
    ]);
  });

  it("in the middle of a whole answer leaves it unknown", async () => {
    const metered = await meter([{ ...SAID, breaks: { afterBytes: 40, by: "cut" } }]);
    expect(await thrown(() => metered.openai.chat.completions.create(chat))).toBeInstanceOf(Error);
    expect(await ends(metered)).toEqual([["down", "TypeError UND_ERR_SOCKET", 0, 0, false]]);
  });
});

describe("a program that has heard enough", () => {
  it("leaves what it heard, when it leaves the loop", async () => {
    const metered = await meter([silentAfter(4, WRITTEN), silentAfter(1, SAID)]);
    for await (const event of await metered.anthropic.messages.create({ ...message, stream: true })) {
      if (event.type === "content_block_delta") break;
    }
    expect(await ends(metered)).toEqual([["done", "not read to its end", 11, 1, false]]);
    for await (const _ of await metered.openai.chat.completions.create({ ...chat, stream: true })) break;
    expect((await ends(metered))[1]).toEqual(["done", "not read to its end", 0, 0, false]);
  });

  it("leaves the same when it aborts", async () => {
    const metered = await meter([silentAfter(4, WRITTEN)]);
    const stream = await metered.anthropic.messages.create({ ...message, stream: true });
    let pieces = 0;
    for await (const event of stream) {
      pieces += 1;
      if (event.type === "content_block_delta") stream.controller.abort();
    }
    expect(pieces).toBe(3);
    expect(await ends(metered)).toEqual([["down", "AbortError", 11, 1, false]]);
  });

  it("leaves the same when it aborts and never looks again", async () => {
    const controller = new AbortController();
    const metered = await meter([silentAfter(1, WRITTEN)]);
    const asked = metered.anthropic.messages.create({ ...message, stream: true }, { signal: controller.signal });
    const { body } = await asked.asResponse();
    await body?.getReader().read();
    controller.abort();
    await vi.waitFor(async () => expect(await ends(metered)).toEqual([["down", "AbortError", 11, 1, false]]));
  });

  it("is not waited for before there is an answer", async () => {
    const controller = new AbortController();
    const never = new Promise(() => {});
    const metered = await meter(() => {
      controller.abort();
      return { ...SAID, after: never };
    });
    const call = () => metered.openai.chat.completions.create(chat, { signal: controller.signal });
    expect(await thrown(call)).toBeInstanceOf(OpenAI.APIUserAbortError);
    expect(await ends(metered)).toEqual([["down", "AbortError", 0, 0, false]]);
  });

  it("sends nothing where it aborts while there is room being made", async () => {
    const controller = new AbortController();
    const perCall = () => {
      controller.abort();
      return { tokens: 10 };
    };
    const metered = await meter([], { options: { perCall } });
    const call = () => metered.openai.chat.completions.create(chat, { signal: controller.signal });
    expect(await thrown(call)).toBeInstanceOf(OpenAI.APIUserAbortError);
    expect(await ends(metered)).toEqual([]);
    expect(metered.server.requests).toEqual([]);
  });
});

it("an answer that comes later is booked as asked for, its usage unknown", async () => {
  const queued = { id: "resp-1", object: "response", status: "queued", model: "gpt-5", output: [], usage: null };
  const metered = await meter([{ body: queued }]);
  await metered.openai.responses.create({ model: "gpt-5", input: "Go.", background: true });
  expect(await ends(metered)).toEqual([["done", null, 0, 0, false]]);
});

it("a ledger that cannot say what a call may cost is an error of its own, and nothing is sent", async () => {
  const metered = await meter([], { budget: { usd: 1 }, maxRetries: 2 });
  for (const call of [
    () => metered.openai.chat.completions.create(chat),
    () => metered.anthropic.messages.create(message),
  ]) {
    const error = await thrown(call);
    expect(error).toBeInstanceOf(LedgerError);
    expect(error).toMatchObject({ code: "LG001", detail: { path: "perCall.usd" } });
  }
  const helped = await thrown(() => metered.openai.chat.completions.stream(chat).finalContent());
  expect(helped).toMatchObject({ cause: expect.any(LedgerError) });
  expect(metered.server.requests).toEqual([]);
});

it("nothing is read ahead of the program, and the call is settled before it sees the end", async () => {
  let pulled = 0;
  const pieces = ["data: 1\n\n", "data: 2\n\n", "data: [DONE]\n\n"];
  const source = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = pieces[pulled];
        pulled += 1;
        if (piece === undefined) controller.close();
        else controller.enqueue(new TextEncoder().encode(piece));
      },
    },
    { highWaterMark: 0 },
  );
  const headers = { "content-type": "text/event-stream" };
  const metered = await meter([], { fetch: async () => new Response(source, { headers }) });
  const { body } = await metered.openai.chat.completions.create({ ...chat, stream: true }).asResponse();
  const reader = body?.getReader();
  for (const [index, piece] of pieces.entries()) {
    expect(pulled).toBe(index);
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(piece);
  }
  await expect(metered.pool.assertNoOpenTickets()).rejects.toMatchObject({ code: "LG007" });
  expect(await reader?.read()).toEqual({ done: true, value: undefined });
  expect(await ends(metered)).toEqual([["done", null, 0, 0, false]]);
});
