/** What drivers of these tests give work to, and how much. */
import type { ChatMessage } from "../../../src/supervise/driver/chat.js";
import type { CoordinationDriverOptions } from "../../../src/supervise/driver/driver-options.js";
import type { Verdict } from "../../../src/supervise/executor.js";
import { worker } from "../../../src/supervise/executors.js";

/** A worker that spends 10/5 and answers its task. */
export const echo = worker("echo", (task) => ({
  out: { said: task },
  verdict: { valid: true, score: 0.5 },
  spent: { input_tokens: 10, output_tokens: 5, usd: "0" },
}));

/** A worker whose task is its verdict. */
export const judged = worker("judged", (verdict: unknown) => ({
  out: verdict,
  verdict: verdict as Verdict,
  spent: { input_tokens: 1, output_tokens: 0, usd: "0" },
}));

export const perWorker = { maxTokens: 100, maxIterations: 1, maxUsd: "0.1" } as const;

/** Options of a driver that has one profile. */
export function driverOf(
  chat: CoordinationDriverOptions["chat"],
  more: Partial<CoordinationDriverOptions> = {},
): CoordinationDriverOptions {
  return {
    name: "d",
    chat,
    profiles: { echo },
    perWorker,
    awaitMs: 20_000,
    ...more,
  };
}

/** A driver's turn that calls one tool. */
export function calls(name: string, args: object = {}, more: object = {}) {
  return { toolCalls: [{ name, arguments: args }], usage: { input: 0, output: 0 }, costUsd: 0, ...more };
}

/** The last words: no tool call. */
export const over = { content: "done", usage: { input: 0, output: 0 }, costUsd: 0 } as const;

/** What the tools answered, in order. */
export function results(messages: readonly ChatMessage[]): unknown[] {
  return messages.flatMap((message) => (message.role === "tool" ? [JSON.parse(message.content)] : []));
}

/** A script without end. */
export function* forever<T>(line: T): Generator<T> {
  for (;;) yield line;
}
