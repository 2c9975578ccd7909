/** Programs of the AI SDK against a server that speaks OpenAI's and Anthropic's formats, by the SDK's own providers: its bill is what is booked. */
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import type { LanguageModelV3 } from "@ai-sdk/provider";
import { APICallError, generateText, type LanguageModel, RetryError, stepCountIs, streamText, tool } from "ai";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { meterModel } from "../../src/ai-sdk/middleware.js";
import { CallRefusedError } from "../../src/metering/call-refused.js";
import { useClients } from "../ledger/client.js";
import { anthropicUsage } from "../wire/anthropic.js";
import type { WireFormat } from "../wire/formats.js";
import { usageOf } from "../wire/openai-chat.js";
import { responsesUsage } from "../wire/openai-responses.js";
import { errorReply, type Reply, WireServer } from "../wire/server.js";
import { digestOf, settlements } from "./books.js";

const clients = useClients();

let server: WireServer;
beforeEach(async () => {
  server = await WireServer.start([]);
});
afterEach(() => server.stop());

const FORMATS: Record<
  WireFormat,
  { model: () => LanguageModelV3; provider: string; usage: (n: number, out: number) => object }
> = {
  "openai-chat": {
    model: () => createOpenAI({ baseURL: server.baseURL, apiKey: "k" }).chat("m-1"),
    provider: "openai",
    usage: (cached, out) =>
      usageOf(cached + 10, out, {
        prompt_tokens_details: { cached_tokens: cached },
        completion_tokens_details: { reasoning_tokens: 1 },
      }),
  },
  "openai-responses": {
    model: () => createOpenAI({ baseURL: server.baseURL, apiKey: "k" }).responses("m-1"),
    provider: "openai",
    usage: (cached, out) => responsesUsage(cached + 10, out, { cached, reasoning: 1 }),
  },
  anthropic: {
    model: () => createAnthropic({ baseURL: server.baseURL, apiKey: "k" })("claude-opus-4-6"),
    provider: "anthropic",
    usage: (cached, out) =>
      anthropicUsage(10, out, { cache_read_input_tokens: cached, output_tokens_details: { thinking_tokens: 1 } }),
  },
};

/** How many events come until the text has begun. */
const BEGUN: Record<WireFormat, number> = { "openai-chat": 2, "openai-responses": 5, anthropic: 4 };

async function opened(totals: object = { tokens: 1_000_000 }) {
  const ledger = await clients.open();
  return { ledger, pool: await ledger.openPool(totals as never, { poolId: "p" }) };
}

/** Searches, and fails at what it does not know. */
const tools = {
  search: tool({
    inputSchema: z.object({ q: z.string() }),
    execute: async ({ q }) => {
      if (q === "sea") throw new Error("no such thing");
      return `about ${q}`;
    },
  }),
};

const loop = (model: LanguageModel) => ({ model, tools, prompt: "Go.", stopWhen: stepCountIs(5) });

describe.each(Object.keys(FORMATS) as WireFormat[])("%s", (format) => {
  const { model, provider, usage } = FORMATS[format];
  const steps: Reply[] = [
    {
      says: {
        text: "Let me look.",
        toolCalls: [
          { id: "call_a", name: "search", arguments: { q: "rivers" } },
          { id: "call_b", name: "search", arguments: { q: "sea" } },
        ],
        usage: usage(30, 20),
      },
    },
    { says: { text: "Done.", usage: usage(0, 4) } },
  ];

  it.each(["whole", "streamed"])("a loop of tools, %s, is booked as the provider bills it", async (way) => {
    const { ledger, pool } = await opened();
    server.follow(steps);
    const metered = meterModel(model(), pool);
    const text = way === "whole" ? (await generateText(loop(metered))).text : await streamText(loop(metered)).text;
    expect(text).toBe("Done.");
    expect(server.bill).toHaveLength(2);
    const rows = await settlements(ledger, pool);
    const counts = rows.map((row) =>
      [row.input_tokens, row.cache_read_tokens, row.output_tokens, row.reasoning_tokens].map(Number),
    );
    expect(counts).toEqual([
      [40, 30, 20, 1],
      [10, 0, 4, 1],
    ]);
    expect(rows).toMatchObject([
      {
        provider,
        model: metered.modelId,
        provider_request_id: "gen-0",
        tokens_known: true,
        usd_known: false,
        tool_calls: [
          { name: "search", id: "call_a", arguments: digestOf('{"q":"rivers"}') },
          { name: "search", id: "call_b", arguments: digestOf('{"q":"sea"}') },
        ],
        detail: null,
      },
      {
        provider_request_id: "gen-1",
        tool_calls: null,
        detail: {
          tool_results: [
            { id: "call_a", status: "ok" },
            { id: "call_b", status: "error" },
          ],
        },
      },
    ]);
    expect(await pool.readout()).toMatchObject({ tokensLeft: 1_000_000 - 74, tokensKnown: true, reservedTokens: 0 });
  });

  it("is not asked for a call that the pool cannot pay for", async () => {
    const { pool } = await opened({ tokens: 999 });
    const metered = meterModel(model(), pool, { perCall: { tokens: 1_000 } });
    const refused = await generateText({ model: metered, prompt: "Go." }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(CallRefusedError);
    expect(refused).toMatchObject({ shortfall: [{ channel: "tokens", requested: "1000", free: "999" }] });
    const errors: unknown[] = [];
    await streamText({
      model: metered,
      prompt: "Go.",
      onError: ({ error }) => void errors.push(error),
    }).consumeStream();
    expect(errors).toEqual([expect.any(CallRefusedError)]);
    expect(server.requests).toEqual([]);
  });

  it("tells a request that it did not take from one that broke", async () => {
    const { ledger, pool } = await opened();
    const metered = meterModel(model(), pool);
    const ask = () => generateText({ model: metered, prompt: "Go.", maxRetries: 0 }).catch((error: unknown) => error);
    server.follow([
      errorReply(format, 400),
      errorReply(format, 500),
      { drops: true },
      { says: { text: "Yes.", usage: usage(0, 4) }, breaks: { afterPieces: 1, by: "cut" } },
    ]);
    for (const status of [400, 500, undefined, undefined]) {
      const error = await ask();
      expect(APICallError.isInstance(error) || status === undefined).toBe(true);
    }
    await server.stop();
    await ask();
    const rows = await settlements(ledger, pool);
    expect(rows.map(({ outcome, tokens_known, usd }) => [outcome, tokens_known, usd])).toEqual([
      ["down", true, "0"],
      ["down", false, null],
      ["down", false, null],
      ["down", false, null],
      // Nobody is there any more: nothing was sent.
      ["down", true, "0"],
    ]);
  });

  it("streamed, is cut by the connection, by its end, or by the program", async () => {
    const { ledger, pool } = await opened();
    const metered = meterModel(model(), pool);
    const says = { text: "A long story.", usage: usage(30, 20) };
    const upTo = (by: "cut" | "end" | "silence"): Reply => ({ says, breaks: { afterPieces: BEGUN[format], by } });
    server.follow([upTo("cut"), upTo("end"), upTo("silence")]);
    const giveUp = new AbortController();
    const story = async (more: { abortSignal?: AbortSignal }): Promise<void> => {
      const { fullStream } = streamText({ model: metered, prompt: "Go.", onError: () => {}, ...more });
      for await (const part of fullStream) if (part.type === "text-delta" && more.abortSignal) giveUp.abort();
    };
    await expect(story({})).rejects.toThrow("Failed to process");
    await story({});
    await story({ abortSignal: giveUp.signal });
    // The program is not kept waiting for what it has aborted.
    while ((await pool.readout()).reservedTokens !== 0);
    const lowest = format === "anthropic" ? ["40", "1"] : ["0", "0"];
    const rows = await settlements(ledger, pool);
    expect(rows.map((row) => [row.outcome, row.input_tokens, row.output_tokens, row.tokens_known, row.usd])).toEqual(
      Array.from({ length: 3 }, () => ["down", ...lowest, false, null]),
    );
    expect(rows.map(({ reason }) => reason).slice(1)).toEqual(["the stream broke off", "AbortError"]);
    expect(server.bill).toHaveLength(3);
  });

  it("is asked again by the SDK, as a call of its own", async () => {
    const { ledger, pool } = await opened({ tokens: 10_000, iterations: 2 });
    const metered = meterModel(model(), pool, { perCall: { tokens: 5_000 } });
    const busy = errorReply(format, 429, { "retry-after-ms": "1" });
    server.follow([busy, { says: { text: "Yes.", usage: usage(0, 4) } }]);
    expect((await generateText({ model: metered, prompt: "Go." })).text).toBe("Yes.");
    const rows = await settlements(ledger, pool);
    expect(rows.map((row) => [row.outcome, row.input_tokens, row.output_tokens, row.tokens_known])).toEqual([
      ["down", "0", "0", true],
      ["done", "10", "4", true],
    ]);
    await pool.fund({ iterations: 1 });
    server.follow([busy]);
    // What refuses the second attempt is the cause that the SDK gives.
    const error = await generateText({ model: metered, prompt: "Go." }).catch((error: unknown) => error);
    expect(RetryError.isInstance(error) && error.lastError).toBeInstanceOf(CallRefusedError);
    expect(server.requests).toHaveLength(3);
  });
});

it("as many calls at once as there is room for, and no more", async () => {
  const { ledger, pool } = await opened({ tokens: 7_500, iterations: 20, usd: "0.07" });
  const metered = meterModel(FORMATS["openai-chat"].model(), pool, { perCall: { tokens: 1_000, usd: "0.01" } });
  // All of the first are under way before any is answered, so that none gives room to another.
  let answer = (): void => {};
  const decided = new Promise<void>((resolve) => {
    answer = resolve;
  });
  server.follow(() => ({ after: decided, says: { text: "Yes.", usage: usageOf(900, 100, { cost: 0.01 }) } }));
  let refusals = 0;
  const calls = Array.from({ length: 20 }, () =>
    generateText({ model: metered, prompt: "Go." }).then(
      () => "made",
      (error: unknown) => {
        refusals += 1;
        if (refusals === 13) answer();
        return error;
      },
    ),
  );
  const ended = await Promise.all(calls);
  expect(ended.filter((one) => one === "made")).toHaveLength(7);
  for (const one of ended.filter((one) => one !== "made")) {
    expect(one).toMatchObject({
      code: "budget-exhausted",
      shortfall: [
        { channel: "tokens", requested: "1000", free: "500" },
        { channel: "usd", requested: "0.01", free: "0" },
      ],
    });
  }
  expect(server.requests).toHaveLength(7);
  expect(await pool.readout()).toMatchObject({ tokensLeft: 500, usdLeft: "0", usdKnown: true, reservedTokens: 0 });
  expect(await settlements(ledger, pool)).toHaveLength(7);
});
