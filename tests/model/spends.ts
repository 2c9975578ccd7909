/**
 * Spends as reported: what was consumed, before anything is charged for it.
 */
import type { Amount } from "./amounts.js";
import { require } from "./faults.js";
import type { Usage } from "./state.js";
import { sumOfUsage, usageAnswer } from "./usage.js";
import { amounts, canonical, count, flag, type Json, measure, optional, record, text } from "./values.js";

/** A well-formed spend as reported. */
export type Spend = Omit<Usage, "chargedTokens">;

const SPEND_KEYS = new Set([
  "iterations",
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "cache_write_1h_tokens",
  "reasoning_tokens",
  "usd",
  "usd_known",
  "tokens_known",
  "ms",
  "resources",
]);

/** Reads a spend; one that says nothing about dollars is LG001. */
export function readSpend(value: unknown): Spend {
  const given = record(value);
  require(Object.keys(given).every((key) => SPEND_KEYS.has(key)), "LG001");
  const part = (key: string) => optional(given[key], count) ?? 0n;
  const usd = optional(given.usd, measure) ?? null;
  const usdKnown = optional(given.usd_known, flag) ?? usd !== null;
  require(usd !== null || given.usd_known === false, "LG001");
  const spend: Spend = {
    iterations: count(given.iterations),
    inputTokens: count(given.input_tokens),
    outputTokens: count(given.output_tokens),
    cacheReadTokens: part("cache_read_tokens"),
    cacheWriteTokens: part("cache_write_tokens"),
    cacheWriteHourTokens: part("cache_write_1h_tokens"),
    reasoningTokens: part("reasoning_tokens"),
    usd,
    ms: part("ms"),
    tokensKnown: optional(given.tokens_known, flag) ?? true,
    usdKnown,
    resources: readResources(given.resources),
  };
  require(spend.cacheReadTokens + spend.cacheWriteTokens <= spend.inputTokens, "LG001");
  require(spend.cacheWriteHourTokens <= spend.cacheWriteTokens, "LG001");
  require(spend.reasoningTokens <= spend.outputTokens, "LG001");
  return spend;
}

function readResources(value: unknown): Map<string, Amount> {
  if (value === undefined) return new Map();
  return amounts(value, (_name, given) => {
    const resource = record(given);
    require(Object.keys(resource).every((key) => key === "amount" || key === "unit"), "LG001");
    optional(resource.unit, text);
    return measure(resource.amount);
  });
}

/** Lines must add up to the spend, and be known exactly when it is. */
export function readLines(value: unknown, whole: unknown): void {
  require(Array.isArray(value) && value.length > 0 && whole !== undefined, "LG001");
  const sum = sumOfUsage(value.map(readLine));
  const spend = uncharged(readSpend(whole));
  require(sameUsage(sum, spend), "LG001");
}

/** Reads one line; what nobody names is nothing. */
export function readLine(value: unknown): Usage {
  const nothing = { iterations: 0, input_tokens: 0, output_tokens: 0 };
  return uncharged(readSpend({ ...nothing, ...withoutProvenance(record(value)) }));
}

function withoutProvenance(line: Json): Json {
  const { provider, model, provider_request_id, ...spend } = line;
  optional(provider, text);
  optional(model, text);
  optional(provider_request_id, text);
  return spend;
}

/** Compares as the ledger adds up: unknown dollars count 0, and so does a resource that is not named. */
function sameUsage(left: Usage, right: Usage): boolean {
  const flat = (usage: Usage) => {
    const resources = new Map([...usage.resources].filter(([, amount]) => amount !== 0n));
    return canonical(usageAnswer({ ...usage, usd: usage.usd ?? 0n, resources }));
  };
  return flat(left) === flat(right);
}

function uncharged(spend: Spend): Usage {
  return { ...spend, chargedTokens: 0n };
}
