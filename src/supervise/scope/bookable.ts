/**
 * Spends in the form that the ledger books. Whatever somebody says of work that is done, the work was done and its cost is booked: figures
 * are rounded to what a row holds, and what cannot be one makes its channel unknown.
 */
import { canonicalCount, canonicalDecimal, exact, textOf } from "../../ledger/amounts.js";

const WHOLE = ["input_tokens", "output_tokens"] as const;
const CACHE = ["cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"] as const;
const TOKENS = [...WHOLE, ...CACHE, "reasoning_tokens"] as const;

/** Decimals that a row keeps of dollars and resources. */
const DECIMALS = 12;

type Fields = Record<string, unknown>;

/**
 * The same with every figure bookable: ms rounded, dollars and resources rounded half-even to 12 decimals. A count or an amount of dollars
 * that is none is left out and its channel unknown (iterations and ms are as if they were not stated). Cache or reasoning tokens above the
 * tokens that they are part of are left out, and the tokens unknown: the two contradict each other. Fields of other names and resources
 * that cannot be read are left as they are, for who checks them to name.
 */
export function bookable<T>(given: T): T {
  if (typeof given !== "object" || given === null) return given;
  const spend: Fields = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  // What cannot be read is left out; answers whether that was so.
  const read = (field: string, reading: (value: unknown) => unknown): boolean => {
    if (!(field in spend)) return false;
    spend[field] = reading(spend[field]);
    if (spend[field] !== undefined) return false;
    delete spend[field];
    return true;
  };
  const unreadable = (fields: readonly string[], reading: (value: unknown) => unknown): boolean =>
    fields.map((field) => read(field, reading)).includes(true);

  unreadable(["iterations"], countOf);
  unreadable(["ms"], roundedCountOf);
  const tokensUnknown = [unreadable(TOKENS, countOf), unreadable(["tokens_known"], flagOf), withoutLargeParts(spend)];
  const usdUnknown = [unreadable(["usd"], dollarsOf), unreadable(["usd_known"], flagOf)];
  if (tokensUnknown.includes(true)) spend.tokens_known = false;
  if (usdUnknown.includes(true)) spend.usd_known = false;
  if (typeof spend.resources === "object" && spend.resources !== null) {
    spend.resources = Object.fromEntries(
      Object.entries(spend.resources).map(([name, resource]) => [name, rounded(resource)]),
    );
  }
  return spend as T;
}

function countOf(value: unknown): number | undefined {
  const count = canonicalCount(value);
  return typeof count === "number" && count >= 0 ? count : undefined;
}

function dollarsOf(value: unknown): string | undefined {
  const text = canonicalDecimal(value);
  return typeof text === "string" && /^\d{1,15}(?:\.\d+)?$/.test(text)
    ? textOf(exact(text).round(DECIMALS))
    : undefined;
}

function roundedCountOf(value: unknown): number | undefined {
  const text = dollarsOf(value);
  return text === undefined ? undefined : countOf(textOf(exact(text).round(0)));
}

function flagOf(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

function rounded(resource: unknown): unknown {
  if (typeof resource !== "object" || resource === null) return resource;
  const amount = dollarsOf((resource as Fields).amount);
  return amount === undefined ? resource : { ...resource, amount };
}

/** Takes out parts that exceed their whole; answers whether that contradicts a whole that is there. */
function withoutLargeParts(spend: Fields): boolean {
  const of = (field: string): number => Number(spend[field] ?? 0);
  const parts: [string, readonly string[], number][] = [
    ["input_tokens", CACHE, of("cache_read_tokens") + of("cache_write_tokens")],
    ["cache_write_tokens", ["cache_write_1h_tokens"], of("cache_write_1h_tokens")],
    ["output_tokens", ["reasoning_tokens"], of("reasoning_tokens")],
  ];
  let contradicted = false;
  for (const [whole, fields, sum] of parts) {
    if (sum <= of(whole)) continue;
    contradicted ||= whole in spend;
    for (const field of fields) delete spend[field];
  }
  return contradicted;
}
