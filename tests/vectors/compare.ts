/**
 * Compares what was seen with what a vector expects: a deep subset, where amounts are equal as numbers.
 */
import { parseAmount } from "../model/amounts.js";

/** Says where `seen` departs from `expected`, or nothing when it holds all of it. */
export function mismatch(expected: unknown, seen: unknown, path = ""): string | undefined {
  if (Array.isArray(expected)) return arrayMismatch(expected, seen, path);
  if (isRecord(expected)) return recordMismatch(expected, seen, path);
  return sameScalar(expected, seen) ? undefined : describe(expected, seen, path);
}

function arrayMismatch(expected: unknown[], seen: unknown, path: string): string | undefined {
  if (!Array.isArray(seen) || seen.length !== expected.length) return describe(expected, seen, path);
  return firstOf(expected.map((item, index) => () => mismatch(item, seen[index], `${path}[${index}]`)));
}

function recordMismatch(expected: Record<string, unknown>, seen: unknown, path: string): string | undefined {
  if (!isRecord(seen)) return describe(expected, seen, path);
  return firstOf(
    Object.entries(expected).map(
      ([key, value]) =>
        () =>
          mismatch(value, seen[key], path === "" ? key : `${path}.${key}`),
    ),
  );
}

function sameScalar(expected: unknown, seen: unknown): boolean {
  if (expected === seen) return true;
  if (!isAmountLike(expected) || !isAmountLike(seen)) return false;
  const amount = parseAmount(expected);
  return amount !== undefined && amount === parseAmount(seen);
}

function firstOf(checks: (() => string | undefined)[]): string | undefined {
  for (const check of checks) {
    const found = check();
    if (found !== undefined) return found;
  }
  return undefined;
}

function isAmountLike(value: unknown): value is string | number {
  return typeof value === "string" || typeof value === "number";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function describe(expected: unknown, seen: unknown, path: string): string {
  const where = path === "" ? "answer" : path;
  return `${where}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(seen)}`;
}
