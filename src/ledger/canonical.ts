/**
 * Operations in their one form: the database compares content by its text, so the same amounts must always be sent alike.
 * Nothing is judged here; what is malformed goes out as it came and is answered with path and rule.
 */
import { canonicalCount, canonicalDecimal } from "./amounts.js";
import { LedgerError } from "./errors.js";
import type { Operation } from "./protocol.js";

type Json = Readonly<Record<string, unknown>>;

/** What becomes of each field of a spend. */
const SPEND_FIELDS = {
  iterations: canonicalCount,
  input_tokens: canonicalCount,
  output_tokens: canonicalCount,
  cache_read_tokens: canonicalCount,
  cache_write_tokens: canonicalCount,
  cache_write_1h_tokens: canonicalCount,
  reasoning_tokens: canonicalCount,
  ms: canonicalCount,
  usd: canonicalDecimal,
  resources: (resources: unknown) =>
    mapValues(resources, (resource) => mapKeys(resource, { amount: canonicalDecimal })),
};

/**
 * The operation in that form, as JSON has it.
 * @throws {LedgerError} LG001 where it holds what JSON has no form for.
 */
export function asSent(operation: Operation): Operation {
  try {
    return JSON.parse(JSON.stringify(canonicalOperation(operation))) as Operation;
  } catch (error) {
    const rule = "must be JSON";
    throw new LedgerError("LG001", `an operation ${rule}: ${String(error)}`, {
      detail: { path: "", rule },
      cause: error,
    });
  }
}

/** The operation with every amount in its one form. Dollars said to be undefined are unknown dollars, never no dollars. */
export function canonicalOperation(operation: Operation): Operation {
  return mapKeys(operation, {
    spend: canonicalSpend,
    lines: (lines) => (Array.isArray(lines) ? lines.map(canonicalSpend) : lines),
    budget: canonicalAmounts,
    amounts: canonicalAmounts,
    channels: (channels) => mapValues(channels, (channel, name) => mapKeys(channel, { total: amountOf(name) })),
    effective_at: (instant) => (instant instanceof Date ? instant.toISOString() : instant),
  }) as Operation;
}

function canonicalSpend(spend: unknown): unknown {
  if (!isObject(spend)) return spend;
  const known = "usd" in spend && spend.usd === undefined ? { ...spend, usd_known: false } : spend;
  return mapKeys(known, SPEND_FIELDS);
}

function canonicalAmounts(amounts: unknown): unknown {
  return mapValues(amounts, (amount, name) => amountOf(name)(amount));
}

function amountOf(channel: string): (amount: unknown) => unknown {
  return channel === "tokens" || channel === "iterations" ? canonicalCount : canonicalDecimal;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mapValues(value: unknown, change: (value: unknown, key: string) => unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, one === undefined ? one : change(one, key)]),
  );
}

function mapKeys(value: unknown, changes: Readonly<Record<string, (value: unknown) => unknown>>): unknown {
  return mapValues(value, (one, key) => (Object.hasOwn(changes, key) ? changes[key]?.(one) : one));
}
