/**
 * Reads single values of an operation; whatever is not what it must be is LG001.
 */
import { type Amount, parseAmount, whole } from "./amounts.js";
import { require } from "./faults.js";

export type Json = Readonly<Record<string, unknown>>;

const LARGEST_COUNT = whole(Number.MAX_SAFE_INTEGER);
const USD_BOUND = whole(10n ** 15n);
const LONGEST_ID = 200;

/** Channels that count whole things. */
const COUNTED = new Set(["tokens", "iterations"]);

export function record(value: unknown): Json {
  require(typeof value === "object" && value !== null && !Array.isArray(value), "LG001");
  return value as Json;
}

export function text(value: unknown): string {
  require(typeof value === "string", "LG001");
  return value;
}

/** An identifier: 1 to 200 characters, none of them a control character. */
export function identifier(value: unknown): string {
  const id = text(value);
  const controls = [...id].some((letter) => letter < " " || letter === "\u007f");
  require(id.length > 0 && id.length <= LONGEST_ID && !controls, "LG001");
  return id;
}

export function flag(value: unknown): boolean {
  require(typeof value === "boolean", "LG001");
  return value;
}

/** A decimal, given as a JSON number or as text. */
export function decimal(value: unknown): Amount {
  require(typeof value === "number" || typeof value === "string", "LG001");
  const amount = parseAmount(value);
  require(amount !== undefined, "LG001");
  return amount;
}

/** A whole number from 0 to 2^53 - 1. */
export function count(value: unknown): Amount {
  const amount = decimal(value);
  require(amount >= 0n && amount <= LARGEST_COUNT && amount % whole(1) === 0n, "LG001");
  return amount;
}

/** Dollars or a resource: 0 <= x < 10^15. */
export function measure(value: unknown): Amount {
  const amount = decimal(value);
  require(amount >= 0n && amount < USD_BOUND, "LG001");
  return amount;
}

/** An amount of that channel. */
export function amountOf(channel: string, value: unknown): Amount {
  return COUNTED.has(channel) ? count(value) : measure(value);
}

/** An amount of that channel which may be negative. */
export function signedAmountOf(channel: string, value: unknown): Amount {
  const amount = decimal(value);
  amountOf(channel, String(value).replace(/^-/, ""));
  return amount;
}

/** Milliseconds as a plain number. */
export function milliseconds(value: unknown): number {
  return Number(count(value) / whole(1));
}

/** An object of amounts by channel. */
export function amounts(
  value: unknown,
  read: (channel: string, value: unknown) => Amount = amountOf,
): Map<string, Amount> {
  return new Map(Object.entries(record(value)).map(([channel, asked]) => [identifier(channel), read(channel, asked)]));
}

/** Applies a reader where the key is present. */
export function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : read(value);
}

/** Text that is the same for the same JSON value, whatever the order of its keys. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const pairs = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${pairs.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(",")}}`;
}
