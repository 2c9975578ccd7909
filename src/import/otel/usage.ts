/**
 * What a span states that its call used. Input includes what was read from and written to a cache, output the reasoning, as the conventions
 * have it; where an instrumentation states parts above their whole, the parts are left out. Dollars are never taken from spans: what is
 * written there is somebody's estimate, and the ledger makes its own.
 */
import type { Spend } from "../../ledger/protocol.js";
import { notTaken } from "../../metering/not-taken.js";
import { GEN_AI, GENERAL } from "../../otel/names.js";
import { spendOf } from "../../usage/rule.js";
import { AI_OPERATION, isEmbedding } from "./kinds.js";
import type { Span } from "./shapes.js";
import type { Value } from "./values.js";

/** By count: today's name, that of the conventions before, those of the AI SDK. */
const INPUT = [
  GEN_AI.inputTokens,
  GEN_AI.promptTokens,
  "ai.usage.inputTokens",
  "ai.usage.promptTokens",
  "ai.usage.tokens",
];
const OUTPUT = [GEN_AI.outputTokens, GEN_AI.completionTokens, "ai.usage.outputTokens", "ai.usage.completionTokens"];
const CACHE_READ = [
  GEN_AI.cacheReadTokens,
  "gen_ai.usage.cache_read_input_tokens",
  "ai.usage.inputTokenDetails.cacheReadTokens",
  "ai.usage.cachedInputTokens",
];
const CACHE_WRITE = [
  GEN_AI.cacheWriteTokens,
  "gen_ai.usage.cache_creation_input_tokens",
  "ai.usage.inputTokenDetails.cacheWriteTokens",
];
const REASONING = [GEN_AI.reasoningTokens, "ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"];

/** The spend, without iterations and ms; what is not stated is left out. */
export function usageOf({ attributes, failed }: Pick<Span, "attributes" | "failed">): Spend {
  const input = countIn(attributes, INPUT);
  const output = countIn(attributes, OUTPUT) ?? (makesEmbedding(attributes) && input !== undefined ? 0 : undefined);
  if (input === undefined && output === undefined && isRejected(attributes, failed)) {
    return { input_tokens: 0, output_tokens: 0, usd: 0 };
  }
  return spendOf({
    input: [input],
    output: [output],
    cacheRead: countIn(attributes, CACHE_READ),
    cacheWrite: countIn(attributes, CACHE_WRITE),
    reasoning: countIn(attributes, REASONING),
  });
}

/** The first that is there; NaN where that is no count. */
function countIn(attributes: ReadonlyMap<string, Value>, names: readonly string[]): number | undefined {
  const value = names.map((name) => attributes.get(name)).find((one) => one !== undefined);
  if (value === undefined) return undefined;
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : Number.NaN;
}

/** Nothing comes out of an embedding but the embedding. */
function makesEmbedding(attributes: ReadonlyMap<string, Value>): boolean {
  return [GEN_AI.operation, AI_OPERATION].some((name) => isEmbedding(attributes.get(name)));
}

/** The provider did not take the request: nothing was used. */
function isRejected(attributes: ReadonlyMap<string, Value>, failed: boolean): boolean {
  const stated = [attributes.get(GENERAL.errorType), attributes.get(GENERAL.httpStatus)];
  return (failed || attributes.has(GENERAL.errorType)) && stated.some((code) => notTaken(Number(code)));
}
