/** When a stream has said its last word on usage, and when it is whole: more of the answer takes both back. */
import { describe, expect, it } from "vitest";
import { readStream } from "../../src/usage/report.js";
import type { UsageFormat } from "../../src/usage/usage.js";

const counts = (prompt_tokens: number, completion_tokens: number) => ({ prompt_tokens, completion_tokens });
const usage = (output: number) => ({ choices: [], usage: counts(10, output) });
const piece = (index: number, content: string, finish_reason: string | null = null, more: object = {}) => ({
  choices: [{ index, delta: { content }, finish_reason }],
  ...more,
});
const candidate = (index: number, text: string, output: number, finishReason?: string) => ({
  candidates: [{ index, content: { parts: [{ text }] }, finishReason }],
  usageMetadata: { promptTokenCount: 10, candidatesTokenCount: output, totalTokenCount: 10 + output },
});
const END = "[DONE]";

/** Output tokens, whether they are known, whether the stream is whole. */
type Heard = readonly [output: unknown, known: boolean, complete: boolean];

function heard(format: UsageFormat, events: readonly unknown[], choices?: number): Heard {
  const stream = readStream(format, choices);
  for (const event of events) stream.add(event);
  const { spend, complete } = stream.report();
  return [spend.output_tokens, spend.output_tokens !== undefined && spend.tokens_known !== false, complete];
}

/** What a stream says, and what is heard of it. */
type Case = readonly [name: string, format: UsageFormat, events: readonly unknown[], heard: Heard, choices?: number];

const anthropic = [
  { type: "message_start", message: { id: "m", usage: { input_tokens: 10, output_tokens: 1 } } },
  { type: "content_block_start", index: 0, content_block: { type: "text" } },
  { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 5 } },
  { type: "message_stop" },
];
const bedrock = [
  { contentBlockDelta: { contentBlockIndex: 0, delta: { text: "a" } } },
  { messageStop: { stopReason: "end_turn" } },
  { metadata: { usage: { inputTokens: 10, outputTokens: 5 } } },
];
const responses = {
  type: "response.completed",
  response: { id: "r", usage: { input_tokens: 10, output_tokens: 5 } },
};
const CASES: readonly Case[] = [
  ["usage before anything", "openai-chat", [usage(0)], [0, false, false]],
  ["usage before the answer", "openai-chat", [usage(0), piece(0, "a"), piece(0, "b")], [0, false, false]],
  ["the same to its end", "openai-chat", [usage(0), piece(0, "a", "stop"), END], [0, false, true]],
  ["usage at the end", "openai-chat", [piece(0, "a", "stop", { usage: counts(10, 5) })], [5, true, true]],
  ["usage after it", "openai-chat", [piece(0, "a", "stop"), usage(5)], [5, true, true]],
  ["an empty piece beside it", "openrouter", [piece(0, "a", "stop"), piece(0, "", null, usage(5))], [5, true, true]],
  ["an empty piece behind it", "openai-chat", [piece(0, "a", "stop"), usage(5), piece(0, "")], [5, true, true]],
  ["more after it", "openai-chat", [piece(0, "a", "stop"), usage(5), piece(0, "b")], [5, false, false]],
  ["nobody says why it ended", "openai-chat", [piece(0, "a"), usage(5), END], [5, true, true]],
  [
    "a second answer begins",
    "openai-chat",
    [piece(0, "a", "stop", { usage: counts(10, 2) }), piece(1, "b", null, { usage: counts(10, 3) })],
    [3, false, false],
  ],
  ["the first of two", "openai-chat", [piece(0, "a", "stop", { usage: counts(10, 2) })], [2, false, false], 2],
  ["both", "openai-chat", [piece(0, "a", "stop"), piece(1, "b", "stop", { usage: counts(10, 4) })], [4, true, true], 2],
  ["two asked for, one given", "openai-chat", [piece(0, "a", "stop"), usage(5), END], [5, true, true], 2],
  ["a text completion", "openai-chat", [{ choices: [{ text: "a" }], usage: counts(10, 1) }], [1, false, false]],
  ["the first of two", "gemini", [candidate(0, "a", 2, "STOP")], [2, false, false], 2],
  ["a second answer begins", "gemini", [candidate(0, "a", 2, "STOP"), candidate(1, "b", 3)], [3, false, false]],
  ["an end in every event", "gemini", [candidate(0, "a", 2, "STOP"), candidate(0, "b", 3, "STOP")], [3, true, true]],
  ["to its end", "anthropic", anthropic, [5, true, true]],
  ["more after it", "anthropic", [...anthropic, anthropic[1]], [5, false, false]],
  ["to its end", "bedrock", bedrock, [5, true, true]],
  ["usage before the end", "bedrock", [bedrock[0], bedrock[2]], [5, false, false]],
  ["more after it", "bedrock", [...bedrock, bedrock[0]], [5, false, false]],
  ["to its end", "openai-responses", [responses], [5, true, true]],
  ["more after it", "openai-responses", [responses, { type: "response.output_text.delta" }], [5, false, false]],
];

describe("what was said of usage, and whether all has come", () => {
  for (const [name, format, events, expected, choices] of CASES) {
    it(`${format}: ${name}`, () => expect(heard(format, events, choices)).toEqual(expected));
  }
});

it("there is no such number of answers", () => {
  const error = { code: "LG001", detail: expect.objectContaining({ path: "choices" }) };
  for (const choices of [0, 1.5]) {
    expect(() => readStream("openai-chat", choices)).toThrow(expect.objectContaining(error));
  }
});
