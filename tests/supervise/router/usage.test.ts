/** What an endpoint says of a call's tokens and cost, and what is believed of it. */
import { describe, expect, it } from "vitest";
import { usageOf } from "../../wire/openai-chat.js";
import { ask, useChatServers } from "./asking.js";

const serve = useChatServers();
const UNKNOWN = undefined;
const read = (cached_tokens: unknown, cache_write_tokens?: unknown): object => ({
  prompt_tokens_details: { cached_tokens, cache_write_tokens },
});
const thought = (reasoning_tokens: unknown, total_tokens?: number): object => ({
  completion_tokens_details: { reasoning_tokens },
  ...(total_tokens && { total_tokens }),
});

describe.each([false, true])("usage, stream: %s", (stream) => {
  it.each<[string, unknown, object | undefined, (number | string)?]>([
    ["tokens alone", usageOf(100, 50), { input: 100, output: 50 }],
    ["zeros", usageOf(0, 0), { input: 0, output: 0 }],
    ["nothing", UNKNOWN, UNKNOWN],
    ["null", null, UNKNOWN],
    ["an empty object", {}, UNKNOWN],
    ["a text", "100", UNKNOWN],
    [
      "all parts",
      usageOf(100, 50, { ...read(60, 40), ...thought(50) }),
      { input: 100, output: 50, cacheRead: 60, cacheWrite: 40, reasoning: 50 },
    ],
    [
      "parts that are 0",
      usageOf(9, 4, { ...read(0, 0), ...thought(0) }),
      { input: 9, output: 4, cacheRead: 0, cacheWrite: 0, reasoning: 0 },
    ],
    [
      "Anthropic's words",
      usageOf(100, 5, { cache_read_input_tokens: 70, cache_creation_input_tokens: 20 }),
      { input: 100, output: 5, cacheRead: 70, cacheWrite: 20 },
    ],
    ["DeepSeek's words", usageOf(100, 5, { prompt_cache_hit_tokens: 64 }), { input: 100, output: 5, cacheRead: 64 }],
    ["the prompt only", { prompt_tokens: 100 }, { input: 100 }],
    ["the completion only", { completion_tokens: 7, ...read(3) }, { output: 7 }],
    ["a read above the prompt", usageOf(100, 5, read(101)), { input: 100, output: 5 }],
    ["a write above the prompt", usageOf(100, 5, read(1, 101)), { input: 100, output: 5, cacheRead: 1 }],
    ["both together above the prompt", usageOf(100, 5, read(60, 41)), { input: 100, output: 5, cacheRead: 60 }],
    ["reasoning above the completion", usageOf(100, 5, thought(6)), { input: 100, output: 5 }],
    [
      "reasoning on top of the completion, by the total",
      usageOf(32, 9, thought(94, 135)),
      { input: 32, output: 103, reasoning: 94 },
    ],
    ["texts for counts", usageOf(100, 5, { completion_tokens: "5" }), { input: 100 }],
    ["fractions and negatives", usageOf(1.5, -3), UNKNOWN],
    ["a count that no number holds", usageOf(2 ** 53, 5), { output: 5 }],
    [
      "details that are none",
      usageOf(7, 5, { prompt_tokens_details: "many", completion_tokens_details: null }),
      { input: 7, output: 5 },
    ],
    ["a cost", usageOf(1, 1, { cost: 0.0125 }), { input: 1, output: 1 }, 0.0125],
    ["a cost of 0", usageOf(1, 1, { cost: 0 }), { input: 1, output: 1 }, 0],
    ["a cost alone", { cost: 0 }, UNKNOWN, 0],
    ["a negative cost", usageOf(1, 1, { cost: -0.1 }), { input: 1, output: 1 }],
    ["a cost as text", usageOf(1, 1, { cost: "0.1" }), { input: 1, output: 1 }],
    ["a cost that is null", usageOf(1, 1, { cost: null }), { input: 1, output: 1 }],
    ["a cost beyond all books", usageOf(1, 1, { cost: 1e300 }), { input: 1, output: 1 }],
    [
      "what lies upstream of a router's own price",
      usageOf(1, 1, { cost: 0.95, cost_details: { upstream_inference_cost: 0.9 } }),
      { input: 1, output: 1 },
      0.95,
    ],
    [
      "a fee on the user's own key",
      usageOf(1, 1, { cost: 0.01, is_byok: true, cost_details: { upstream_inference_cost: 0.2 } }),
      { input: 1, output: 1 },
      "0.21",
    ],
    [
      "a fee of 0 on the user's own key, and no price",
      usageOf(1, 1, { cost: 0, is_byok: true }),
      { input: 1, output: 1 },
    ],
  ])("%s", async (_, usage, tokens, cost) => {
    const { chat } = await serve([{ says: { text: "Yes.", usage } }], { stream });
    const answer = await ask(chat);
    expect(answer.usage).toEqual(tokens);
    expect(answer.costUsd).toBe(cost);
  });

  it("no number at all", async () => {
    // JSON has no NaN; what writes it anyway writes no JSON.
    const body = '{"choices":[{"message":{"content":"Yes."}}],"usage":{"prompt_tokens":1,"cost":NaN}}';
    const { chat } = await serve([stream ? { pieces: [body] } : { body }], { stream });
    await expect(ask(chat)).rejects.toThrow(/^the answer is no JSON: /);
  });
});

describe("names", () => {
  it.each([false, true])("are left out where they are none, stream: %s", async (stream) => {
    const says = { text: "Yes.", model: "m".repeat(201), provider: "Upstream" };
    const { chat } = await serve([{ says }], { stream });
    const answer = await ask(chat);
    expect(answer.model).toBeUndefined();
    expect(answer.provider).toBe(stream ? undefined : "Upstream");
  });
});
