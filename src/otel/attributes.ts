/** What spans say of usage, budgets and ends. What is not known is left out, never 0. */
import type { Attributes, AttributeValue } from "@opentelemetry/api";
import { GEN_AI, LEDGER } from "./names.js";

/** Usage as a spend states it (what is left out is unknown) or as the ledger's rows do (0 beside a flag `tokens_known`). */
export type Used = Readonly<Record<string, unknown>>;

const COUNTS: readonly (readonly [field: string, name: string])[] = [
  ["input_tokens", GEN_AI.inputTokens],
  ["output_tokens", GEN_AI.outputTokens],
  ["cache_read_tokens", GEN_AI.cacheReadTokens],
  ["cache_write_tokens", GEN_AI.cacheWriteTokens],
  ["reasoning_tokens", GEN_AI.reasoningTokens],
];

/** Parts of the counts above: the 0 of a row may be what nobody stated. */
const PARTS = ["cache_read_tokens", "cache_write_tokens", "reasoning_tokens"];

/**
 * The attributes of a usage. Where tokens are not all known, counts above 0 stand as the lower bounds that they are, marked by
 * `agent_ledger.usage.tokens_known: false`.
 */
export function usageAttributes(used: Used): Attributes {
  const isWhole = [used.input_tokens, used.output_tokens].every((count) => numberOf(count) !== undefined);
  const tokensKnown = used.tokens_known !== false && isWhole;
  const isTold = (field: string): boolean => tokensKnown && !(PARTS.includes(field) && used.tokens_known === true);
  const stated = numberOf(used.usd);
  const usd = stated === 0 && used.usd_known === false ? undefined : stated;
  const counts = COUNTS.map(([field, name]) => [name, numberOf(used[field]), isTold(field)] as const);
  return present({
    ...Object.fromEntries(counts.filter(([, count, told]) => told || (count ?? 0) > 0)),
    [LEDGER.tokensKnown]: tokensKnown,
    [LEDGER.usd]: usd,
    [LEDGER.usdKnown]: usd !== undefined && used.usd_known !== false,
    [LEDGER.iterations]: numberOf(used.iterations),
  });
}

/** The ceilings of a budget, by channel. */
export function budgetAttributes(budget: unknown): Attributes {
  if (typeof budget !== "object" || budget === null) return {};
  return present(
    Object.fromEntries(Object.entries(budget).map(([name, value]) => [`${LEDGER.budget}.${name}`, numberOf(value)])),
  );
}

/** Those that have a value that an attribute can have. */
export function present(given: Readonly<Record<string, unknown>>): Attributes {
  return Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, AttributeValue] => isValue(entry[1])),
  );
}

function isValue(value: unknown): value is AttributeValue {
  if (Array.isArray(value)) return value.every((one) => typeof one === "string");
  return (
    typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))
  );
}

/** A count or an amount, also as exact text. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value !== "number" && typeof value !== "string" && typeof value !== "bigint") return undefined;
  const number = value === "" ? Number.NaN : Number(value);
  return Number.isFinite(number) ? number : undefined;
}
