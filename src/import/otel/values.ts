/** Values of attributes, as OTLP has them in JSON. */

/** A plain value; lists and maps are read only where they are asked for. */
export type Value = string | number | boolean;

/** The plain value; undefined for lists, maps, bytes and what is none. Integers come as numbers or as text. */
export function plainValue(given: unknown): Value | undefined {
  const value = given as { readonly [kind: string]: unknown } | null | undefined;
  if (typeof value !== "object" || value === null) return undefined;
  if (typeof value.stringValue === "string") return value.stringValue;
  if (typeof value.boolValue === "boolean") return value.boolValue;
  if (isDigits(value.intValue)) return Number(value.intValue);
  // What is no number, JSON has as text.
  if (typeof value.doubleValue === "number") return value.doubleValue;
  return typeof value.doubleValue === "string" ? Number(value.doubleValue) : undefined;
}

/** More than this below each other is no argument of a tool. */
const DEEPEST = 32;

/** The whole value as JSON has it; undefined where it cannot be read. */
export function wholeValue(given: unknown, depth = 0): unknown {
  const plain = plainValue(given);
  if (plain !== undefined || depth > DEEPEST) return plain;
  const value = given as { readonly [kind: string]: { readonly values?: unknown } | undefined } | null | undefined;
  const { arrayValue, kvlistValue } = value ?? {};
  if (Array.isArray(arrayValue?.values)) return arrayValue.values.map((one) => wholeValue(one, depth + 1) ?? null);
  if (!Array.isArray(kvlistValue?.values)) return undefined;
  return Object.fromEntries(
    kvlistValue.values.map((pair) => [String(pair?.key), wholeValue(pair?.value, depth + 1) ?? null]),
  );
}

function isDigits(value: unknown): boolean {
  return typeof value === "number" || (typeof value === "string" && /^-?\d{1,19}$/.test(value));
}
