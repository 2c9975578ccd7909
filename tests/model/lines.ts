/**
 * Usage lines: an event keeps the last ones stated for it, whichever operation stated them.
 */
import { formatAmount } from "./amounts.js";
import { readLine } from "./spends.js";
import type { State, UsageLine } from "./state.js";
import { sumOfUsage } from "./usage.js";
import { type Json, record } from "./values.js";

/** Reads the lines of an operation that was checked. */
export function linesOf(value: unknown): UsageLine[] {
  return (value as Json[]).map((line) => ({ model: (record(line).model as string) ?? null, usage: readLine(line) }));
}

/** What is attributed to each model that a line names; nothing where it comes to nothing. */
export function attributionOf(state: State): { model: string; [quantity: string]: string }[] {
  const lines = state.events.flatMap((event) => event.lines);
  const models = [...new Set(lines.map(({ model }) => model))].filter((model) => model !== null);
  return models
    .map((model) => {
      const sum = sumOfUsage(lines.filter((line) => line.model === model).map(({ usage }) => usage));
      return {
        model,
        iterations: formatAmount(sum.iterations),
        input_tokens: formatAmount(sum.inputTokens),
        output_tokens: formatAmount(sum.outputTokens),
        cache_read_tokens: formatAmount(sum.cacheReadTokens),
        cache_write_tokens: formatAmount(sum.cacheWriteTokens),
        cache_write_1h_tokens: formatAmount(sum.cacheWriteHourTokens),
        reasoning_tokens: formatAmount(sum.reasoningTokens),
        usd: formatAmount(sum.usd ?? 0n),
        ms: formatAmount(sum.ms),
      };
    })
    .filter(({ model: _model, ...quantities }) => Object.values(quantities).some((amount) => amount !== "0"));
}
