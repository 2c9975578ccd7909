/**
 * Prices: what a spend nobody has a receipt for is worth, under the one book that random histories use.
 */
import { type Amount, formatAmount, parseAmount, whole } from "./amounts.js";
import { readLine } from "./spends.js";
import type { Usage } from "./state.js";
import { type Json, record } from "./values.js";

/** Dollars per million of one class, for calls with more input than `above`. */
interface Rate {
  readonly tokenClass: string;
  readonly usdPerMillion: string;
  readonly above: number;
}

const rate = (tokenClass: string, usdPerMillion: string, above = 0): Rate => ({ tokenClass, usdPerMillion, above });

/** The provider whose models have prices. */
export const PROVIDER = "acme";

/** Cheap enough for random caps, each with something of its own; `huge` has no price. */
const RATES: Readonly<Record<string, readonly Rate[]>> = {
  large: [
    ...[rate("input", "3000"), rate("cache_read", "500"), rate("cache_write", "4000"), rate("cache_write_1h", "6000")],
    ...[rate("output", "15000.000001")],
  ],
  small: [
    ...[rate("input", "1000"), rate("input", "2000", 30), rate("cache_read", "0"), rate("output", "2000")],
    ...[rate("reasoning", "5000"), rate("request", "10000")],
  ],
  free: ["input", "cache_read", "cache_write", "cache_write_1h", "output"].map((name) => rate(name, "0")),
};

/** The same as `ledger.put_prices` takes it. */
export const BOOK: readonly Json[] = Object.entries(RATES).flatMap(([model, rates]) =>
  rates.map(({ tokenClass, usdPerMillion, above }) => ({
    ...{
      provider: PROVIDER,
      model,
      token_class: tokenClass,
      usd_per_million: usdPerMillion,
      above_input_tokens: above,
    },
  })),
);

/** Who was called, as far as anybody says. */
export interface Called {
  readonly provider?: unknown;
  readonly model?: unknown;
}

/** The operation with estimates where it states no dollars and the book can tell; `booked`: what a correction is of. */
export function priced(operation: Json, booked: Called = {}): Json {
  if (operation.spend === undefined) return operation;
  const spend = record(operation.spend);
  if (spend.usd !== undefined || spend.tokens_known === false) return operation;
  const called = { provider: operation.provider ?? booked.provider, model: operation.model ?? booked.model };
  if (operation.lines === undefined) return { ...operation, spend: estimated(spend, called) ?? spend };
  const lines = (operation.lines as Json[]).map((line) => (line.usd === undefined ? estimated(line, called) : line));
  if (!lines.every((line) => line !== undefined)) return operation;
  const usd = lines.reduce((sum, line) => sum + (parseAmount(String(line.usd)) ?? 0n), 0n);
  const known = lines.every((line) => line.usd_known !== false);
  return { ...operation, lines, spend: { ...spend, usd: formatAmount(usd), usd_known: known } };
}

function estimated(spend: Json, { provider, model }: Called): Json | undefined {
  const called = { provider: spend.provider ?? provider, model: spend.model ?? model };
  const rates = called.provider === PROVIDER ? RATES[String(called.model)] : undefined;
  const usage = readLine(spend);
  if (rates === undefined || !usage.tokensKnown) return undefined;
  const applying = new Map<string, Amount>();
  for (const { tokenClass, usdPerMillion, above } of [...rates].sort((one, other) => one.above - other.above)) {
    if (above === 0 || usage.inputTokens > whole(above)) applying.set(tokenClass, parseAmount(usdPerMillion) ?? 0n);
  }
  let usd = 0n;
  for (const [tokenClass, tokens] of classes(usage, applying)) {
    const price = applying.get(tokenClass);
    if (price === undefined && tokens > 0n) return undefined;
    usd += ((tokens / whole(1)) * (price ?? 0n)) / 1_000_000n;
  }
  return { ...spend, usd: formatAmount(usd), usd_known: [...applying.values()].every((price) => price === 0n) };
}

/** Each token in its class; what a model has no price for apart is in the class around it. */
function classes(usage: Usage, applying: ReadonlyMap<string, Amount>): [string, Amount][] {
  const reasoning = applying.has("reasoning") ? usage.reasoningTokens : 0n;
  return [
    ["input", usage.inputTokens - usage.cacheReadTokens - usage.cacheWriteTokens],
    ["cache_read", usage.cacheReadTokens],
    ["cache_write", usage.cacheWriteTokens - usage.cacheWriteHourTokens],
    ["cache_write_1h", usage.cacheWriteHourTokens],
    ["output", usage.outputTokens - reasoning],
    ["reasoning", reasoning],
    ["request", applying.has("request") ? whole(1) : 0n],
  ];
}
