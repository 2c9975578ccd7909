/**
 * Operations in their one form: the database compares content by its text, so the same amounts must always be sent alike.
 * Nothing is judged here; what is malformed goes out as it came and is answered with path and rule.
 */
import { canonicalCount, canonicalDecimal } from "./amounts.js";
import { LedgerError } from "./errors.js";
import type { Operation } from "./protocol.js";

type Json = Readonly<Record<string, unknown>>;

type Change = (value: unknown, key: string) => unknown;

/** What becomes of each field of a spend. */
const SPEND_FIELDS: ReadonlyMap<string, Change> = new Map<string, Change>([
  ...[
    "iterations",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "ms",
  ].map((field) => [field, canonicalCount] as const),
  ["usd", canonicalDecimal],
  ["resources", (resources) => mapValues(resources, (resource) => mapKeys(resource, RESOURCE_FIELDS))],
]);

const RESOURCE_FIELDS: ReadonlyMap<string, Change> = new Map([["amount", canonicalDecimal]]);

/** What becomes of each key of an operation. */
const KEYS: ReadonlyMap<string, Change> = new Map<string, Change>([
  ["spend", canonicalSpend],
  ["lines", (lines) => (Array.isArray(lines) ? lines.map(canonicalSpend) : lines)],
  ["budget", canonicalAmounts],
  ["amounts", canonicalAmounts],
  ["channels", (channels) => mapValues(channels, canonicalChannel)],
  ["effective_at", (instant) => (instant instanceof Date ? instant.toISOString() : instant)],
]);

/** An operation on its way: its text, which is what will be sent however often, and the names that say what it touches. */
export interface Outgoing {
  readonly op: string;
  readonly operation_id: string;
  readonly pool_id?: unknown;
  readonly parent_pool_id?: unknown;
  readonly run_id?: unknown;
  readonly node_id?: unknown;
  readonly text: string;
}

/** @throws {LedgerError} LG001 where it holds what JSON has no form for. */
export function outgoing(operation: Operation): Outgoing {
  const { op, operation_id, pool_id, parent_pool_id, run_id, node_id } = operation;
  return { op, operation_id, pool_id, parent_pool_id, run_id, node_id, text: asText(operation) };
}

/**
 * The operation in its one form, as JSON has it now: what its owner changes later is not sent.
 * @throws {LedgerError} LG001 where it holds what JSON has no form for.
 */
export function asText(operation: Operation): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(canonicalOperation(operation));
  } catch (error) {
    throw notJson(String(error), error);
  }
  if (text === undefined) throw notJson("nothing, or a function");
  return text;
}

/** The batch as JSON, of the texts of its operations. */
export function batchText(texts: readonly string[]): string {
  return `[${texts.join(",")}]`;
}

function notJson(why: string, cause?: unknown): LedgerError {
  const rule = "must be JSON";
  return new LedgerError("LG001", `an operation ${rule}: ${why}`, { detail: { path: "", rule }, cause });
}

/** The operation with every amount in its one form. Dollars said to be undefined are unknown dollars, never no dollars. */
export function canonicalOperation(operation: Operation): Operation {
  return mapKeys(operation, KEYS) as Operation;
}

function canonicalSpend(spend: unknown): unknown {
  if (!isObject(spend)) return spend;
  const known = "usd" in spend && spend.usd === undefined ? { ...spend, usd_known: false } : spend;
  return mapKeys(known, SPEND_FIELDS);
}

function canonicalAmounts(amounts: unknown): unknown {
  return mapValues(amounts, amountOf);
}

function canonicalChannel(channel: unknown, name: string): unknown {
  return mapValues(channel, (value, key) => (key === "total" ? amountOf(value, name) : value));
}

function amountOf(amount: unknown, channel: string): unknown {
  return channel === "tokens" || channel === "iterations" ? canonicalCount(amount) : canonicalDecimal(amount);
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A copy with other values: a spread, because it keeps a key named `__proto__` for the database to refuse. */
function mapValues(value: unknown, change: Change): unknown {
  if (!isObject(value)) return value;
  const copy: Record<string, unknown> = { ...value };
  for (const key of Object.keys(copy)) if (copy[key] !== undefined) copy[key] = change(copy[key], key);
  return copy;
}

/** The same where few keys change. */
function mapKeys(value: unknown, changes: ReadonlyMap<string, Change>): unknown {
  if (!isObject(value)) return value;
  const copy: Record<string, unknown> = { ...value };
  for (const [key, change] of changes) if (copy[key] !== undefined) copy[key] = change(copy[key], key);
  return copy;
}
