/** A price book, the calls that are priced from it, and what their journal rows say of dollars. */
import type { Books, Operation, Row } from "../books.js";
import { price } from "../prices.js";

export const SPRING = "2026-03-01T00:00:00Z";
export const SUMMER = "2026-06-01T00:00:00Z";
const FROM_SPRING = { valid_from: SPRING, valid_to: SUMMER };
const LONG = { above_input_tokens: 200_000 };

export const BOOK: readonly Operation[] = [
  price("big", "input", "3"),
  price("big", "cache_read", "0.3"),
  price("big", "cache_write", "3.75"),
  price("big", "cache_write_1h", "6"),
  price("big", "output", "15"),
  price("thinker", "input", "1"),
  price("thinker", "output", "4"),
  price("thinker", "reasoning", "8"),
  price("tiered", "input", "1"),
  price("tiered", "input", "2", LONG),
  price("tiered", "output", "5"),
  price("tiered", "output", "10", LONG),
  price("asked", "input", "1"),
  price("asked", "request", "2500"),
  price("free", "input", "0"),
  price("free", "output", "0"),
  price("half-free", "input", "0"),
  price("half-free", "output", "1"),
  price("seasonal", "input", "1", FROM_SPRING),
  price("seasonal", "input", "4", { valid_from: SUMMER }),
  price("overlapping", "input", "1"),
  price("overlapping", "input", "7", FROM_SPRING),
  price("match", "input", "1"),
  price("match", "input", "2", { match: "dated" }),
  price("mat", "input", "3", { match: "prefix" }),
  price("match-20", "input", "4", { match: "prefix" }),
  price("tch", "input", "5", { match: "contains" }),
  price("atch", "input", "6", { match: "contains" }),
  price("dear", "input", "999999999999"),
];

export const UNKNOWN = { usd_known: false };
export const of = (model: string, more: Operation = {}): Operation => ({ provider: "acme", model, ...more });

/** What a pool's last row says about dollars. */
export async function lastDollars(books: Books, poolId: string): Promise<Row> {
  const row = (await books.journal(poolId)).at(-1) ?? {};
  const { usd, usd_known, uncertain_usd, detail } = row;
  return { usd, usd_known, uncertain_usd, detail };
}

export const estimate = (usd: string): Row => ({
  usd,
  usd_known: false,
  uncertain_usd: usd,
  detail: { price_book: "list" },
});
export const receipt = (usd: string, detail: unknown = null): Row => ({
  usd,
  usd_known: true,
  uncertain_usd: "0",
  detail,
});
export const NOBODY_KNOWS: Row = { usd: null, usd_known: false, uncertain_usd: "0", detail: null };
