/** Prices as a book holds them: what a row may say, checked and in its one form before anything is sent. */
import { z } from "zod";
import { canonicalDecimal } from "./amounts.js";
import type { Amount } from "./protocol.js";
import { id, parse } from "./schemas.js";

/** How a row finds its model, in the order in which rows are tried; letters' case never counts. */
export const PRICE_MATCHES = ["exact", "dated", "prefix", "contains"] as const;

/** `exact`: the name. `dated`: the name, then `-YYYYMMDD` or `-YYYY-MM-DD`. `prefix` and `contains`: the longest wins. */
export type PriceMatch = (typeof PRICE_MATCHES)[number];

/** What a price is for: each token of a call belongs to one class; `request` is the call itself. */
export const TOKEN_CLASSES = [
  "input",
  "cache_read",
  "cache_write",
  "cache_write_1h",
  "output",
  "reasoning",
  "request",
] as const;

/**
 * `input` is the prompt that was neither read from nor written to a cache; `cache_write` what is kept for minutes, `cache_write_1h`
 * for an hour; `output` includes reasoning, unless the model has a price for `reasoning`.
 */
export type TokenClass = (typeof TOKEN_CLASSES)[number];

/** One price. A class without one is not free: what used it has no known price. */
export interface PriceRow {
  readonly provider: string;
  readonly model: string;
  /** Default `exact`. */
  readonly match?: PriceMatch | undefined;
  readonly token_class: TokenClass;
  /** Dollars per million tokens (or calls), at most 6 decimals. */
  readonly usd_per_million: Amount;
  /** Holds for calls whose whole prompt is larger; the largest that does wins. Default 0: for every call. */
  readonly above_input_tokens?: number | undefined;
  /** From this instant; a date is its midnight in UTC. Default: since ever. */
  readonly valid_from?: string | Date | undefined;
  /** Before this instant. Default: for ever. */
  readonly valid_to?: string | Date | undefined;
  /** Where the figure is from. */
  readonly source?: string | undefined;
}

/** Whole digits that the database's numeric(18,6) takes, and its decimals. */
const PRICE = /^\d{1,12}(?:\.\d{1,6})?$/;

const price = z
  .union([z.string(), z.number(), z.bigint()])
  .transform((value) => String(canonicalDecimal(value)))
  .refine((text) => PRICE.test(text), "must be dollars per million, not negative, with at most 6 decimals");

const DATE = /^\d{4}-\d\d-\d\d$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)$/;

const instant = z
  .union([z.date().transform((date) => (Number.isNaN(date.getTime()) ? "" : date.toISOString())), z.string()])
  .refine((text) => isInstant(text), "must be a date (YYYY-MM-DD, in UTC) or an instant in ISO 8601 with a zone")
  .transform((text) => (DATE.test(text) ? `${text}T00:00:00Z` : text));

/** A 30th of February is none, although JavaScript takes it for a day in March. */
function isInstant(text: string): boolean {
  if (!DATE.test(text) && !INSTANT.test(text)) return false;
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  return (
    !Number.isNaN(Date.parse(text)) && !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text.slice(0, 10))
  );
}

/** A row of a price book. */
export const priceRow = z
  .strictObject({
    provider: id,
    model: id,
    match: z.enum(PRICE_MATCHES).optional(),
    token_class: z.enum(TOKEN_CLASSES),
    usd_per_million: price,
    above_input_tokens: z.number().int().nonnegative().optional(),
    valid_from: instant.optional(),
    valid_to: instant.optional(),
    source: id.optional(),
  })
  .refine(
    ({ valid_from: from, valid_to: to }) => from === undefined || to === undefined || Date.parse(from) < Date.parse(to),
    { path: ["valid_to"], error: "must be after valid_from" },
  );

const priceRows = z.array(priceRow).min(1, "must hold at least one price");

/** A row on its way: defaults left out, the price as exact text, instants with their zone. */
export type CheckedPrice = z.output<typeof priceRow>;

/** Options of `putPrices`. */
export interface PutPricesOptions {
  /** Where the whole book is from. */
  readonly source?: string;
}

const putOptions = z.strictObject({ source: id.optional() });

/**
 * What `putPrices` sends.
 * @throws {LedgerError} LG001 with `path` (`prices.<i>.<key>`) and `rule`.
 */
export function asBook(
  book: string,
  rows: readonly PriceRow[],
  options: PutPricesOptions,
): { book: string; rows: CheckedPrice[]; source: string | undefined } {
  const { source } = parse(putOptions, options, "options");
  return { book: parse(id, book, "book"), rows: parse(priceRows, rows, "prices"), source };
}

/**
 * What `usePrices` sends.
 * @throws {LedgerError} LG001.
 */
export function bookName(book: string | null): string | null {
  return parse(id.nullable(), book, "book");
}
