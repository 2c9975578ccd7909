/** Prices of a catalogue's model as rates of the ledger's token classes: tiers, periods, and the catalogue's own fall-backs spelt out. */
import type { ConditionalPrice, ModelInfo, ModelPrice } from "@pydantic/genai-prices";
import Big from "big.js";
import type { TokenClass } from "../ledger/prices.js";

/** A price of one class, and for which calls. */
export interface Rate {
  readonly token_class: TokenClass;
  readonly usd_per_million: string;
  readonly above_input_tokens?: number;
  readonly valid_from?: string;
  readonly valid_to?: string;
}

/** Why a model has no rates: its price depends on the hour, or it has none for tokens. */
export type Unpriced = "time_of_day" | "no_token_price";

/**
 * Where a class has no price of its own, the catalogue counts its tokens as those of the class around it: what is read from a cache
 * is prompt, what is kept for an hour is written to a cache. Reasoning is output already, unless it has a price.
 */
const KEYS: readonly (readonly [token: TokenClass, keys: readonly string[]])[] = [
  ["input", ["input_mtok"]],
  ["cache_read", ["cache_read_mtok", "input_mtok"]],
  ["cache_write", ["cache_write_mtok", "input_mtok"]],
  ["cache_write_1h", ["cache_write_1h_mtok", "cache_write_mtok", "input_mtok"]],
  ["output", ["output_mtok"]],
  ["reasoning", ["output_reasoning_mtok"]],
];

/** Calls are priced by the thousand. */
const REQUESTS = "requests_kcount";

/** Classes of a model that costs nothing. */
const FREE = KEYS.map(([token]) => token).filter((token) => token !== "reasoning");

/** The rates of a model; none where the ledger cannot say what it costs. */
export function ratesOf(model: ModelInfo): readonly Rate[] | Unpriced {
  const periods = periodsOf(model.prices);
  if (periods === undefined) return "time_of_day";
  const rates = periods.flatMap(({ prices, ...when }) =>
    ratesIn(model.id, prices).map((rate) => ({ ...rate, ...when })),
  );
  return rates.length === 0 ? "no_token_price" : rates;
}

function ratesIn(id: string, prices: ModelPrice): Rate[] {
  // No price at all is free only where the name says so: others are paid by the song, or in ways nobody wrote down.
  if (Object.keys(prices).length === 0 && id.endsWith(":free")) {
    return FREE.map((token_class) => ({ token_class, usd_per_million: "0" }));
  }
  if (prices.input_mtok === undefined && prices.output_mtok === undefined) return [];
  const tokens = KEYS.flatMap(([token_class, keys]) => {
    const price = keys.map((key) => prices[key]).find((found) => found !== undefined);
    return stepsOf(price).map((step) => ({ token_class, ...step }));
  });
  const requests = stepsOf(prices[REQUESTS], 1_000).map((step) => ({ token_class: "request" as const, ...step }));
  return [...tokens, ...requests];
}

/** A price as steps over the size of the prompt; `times` makes it one per million. */
function stepsOf(price: ModelPrice[string], times = 1): Pick<Rate, "usd_per_million" | "above_input_tokens">[] {
  if (price === undefined) return [];
  if (typeof price === "number") return [{ usd_per_million: perMillion(price, times) }];
  const tiers = price.tiers.map(({ start, price: above }) => ({
    above_input_tokens: start,
    usd_per_million: perMillion(above, times),
  }));
  return [{ usd_per_million: perMillion(price.base, times) }, ...tiers];
}

/** Half-even to 6 decimals: a catalogue of floats has `0.08333333333333334`. */
function perMillion(price: number, times: number): string {
  return new Big(price).times(times).round(6, Big.roundHalfEven).toFixed();
}

/** A price and when it holds. */
interface Period {
  readonly prices: ModelPrice;
  readonly valid_from?: string;
  readonly valid_to?: string;
}

/** The prices from one starting date to the next; undefined where they change with the hour. */
function periodsOf(prices: ModelInfo["prices"]): Period[] | undefined {
  if (!Array.isArray(prices)) return [{ prices }];
  const dates: string[] = [];
  for (const { constraint } of prices) {
    if (constraint === undefined) continue;
    if (!("start_date" in constraint)) return undefined;
    dates.push(constraint.start_date);
  }
  const starts = [...new Set(dates)].sort();
  return [undefined, ...starts].flatMap((from, index) => {
    const found = inForce(prices, from);
    const to = starts[index];
    return [{ prices: found, ...(from && { valid_from: midnight(from) }), ...(to && { valid_to: midnight(to) }) }];
  });
}

/** As the catalogue does it: the last entry that has begun, else the first. */
function inForce(prices: readonly ConditionalPrice[], at: string | undefined): ModelPrice {
  const begun = prices.findLast(
    ({ constraint }) =>
      constraint === undefined || ("start_date" in constraint && at !== undefined && constraint.start_date <= at),
  );
  return (begun ?? prices[0])?.prices ?? {};
}

const midnight = (date: string): string => `${date}T00:00:00Z`;
