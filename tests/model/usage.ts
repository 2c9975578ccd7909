/**
 * Usage: sums of it, and how answers spell it.
 */
import { type Amount, formatAmount } from "./amounts.js";
import type { Usage } from "./state.js";

/** Nothing was consumed, and that is known. */
export const NO_USAGE: Usage = {
  iterations: 0n,
  inputTokens: 0n,
  outputTokens: 0n,
  cacheReadTokens: 0n,
  cacheWriteTokens: 0n,
  cacheWriteHourTokens: 0n,
  reasoningTokens: 0n,
  chargedTokens: 0n,
  usd: 0n,
  ms: 0n,
  tokensKnown: true,
  usdKnown: true,
  resources: new Map(),
};

/** Adds up usage; one unknown part makes the sum unknown. */
export function sumOfUsage(parts: readonly Usage[]): Usage {
  return parts.reduce(
    (sum, part) => ({
      iterations: sum.iterations + part.iterations,
      inputTokens: sum.inputTokens + part.inputTokens,
      outputTokens: sum.outputTokens + part.outputTokens,
      cacheReadTokens: sum.cacheReadTokens + part.cacheReadTokens,
      cacheWriteTokens: sum.cacheWriteTokens + part.cacheWriteTokens,
      cacheWriteHourTokens: sum.cacheWriteHourTokens + part.cacheWriteHourTokens,
      reasoningTokens: sum.reasoningTokens + part.reasoningTokens,
      chargedTokens: sum.chargedTokens + part.chargedTokens,
      usd: (sum.usd ?? 0n) + (part.usd ?? 0n),
      ms: sum.ms + part.ms,
      tokensKnown: sum.tokensKnown && part.tokensKnown,
      usdKnown: sum.usdKnown && part.usdKnown,
      resources: sumOfResources(sum.resources, part.resources),
    }),
    NO_USAGE,
  );
}

function sumOfResources(left: ReadonlyMap<string, Amount>, right: ReadonlyMap<string, Amount>): Map<string, Amount> {
  const names = [...new Set([...left.keys(), ...right.keys()])].sort();
  return new Map(names.map((name) => [name, (left.get(name) ?? 0n) + (right.get(name) ?? 0n)]));
}

/** Usage as answers spell it. */
export function usageAnswer(usage: Usage): Record<string, unknown> {
  return {
    iterations: formatAmount(usage.iterations),
    input_tokens: formatAmount(usage.inputTokens),
    output_tokens: formatAmount(usage.outputTokens),
    cache_read_tokens: formatAmount(usage.cacheReadTokens),
    cache_write_tokens: formatAmount(usage.cacheWriteTokens),
    ...(usage.cacheWriteHourTokens > 0n ? { cache_write_1h_tokens: formatAmount(usage.cacheWriteHourTokens) } : {}),
    reasoning_tokens: formatAmount(usage.reasoningTokens),
    charged_tokens: formatAmount(usage.chargedTokens),
    usd: usage.usd === null ? null : formatAmount(usage.usd),
    ms: formatAmount(usage.ms),
    tokens_known: usage.tokensKnown,
    usd_known: usage.usdKnown,
    resources: Object.fromEntries(
      [...usage.resources].map(([name, amount]) => [name, { amount: formatAmount(amount) }]),
    ),
  };
}
