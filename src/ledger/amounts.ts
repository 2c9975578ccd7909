/**
 * Amounts on their way to the database. `0.5` and `0.50` are different content of an operation there, so one amount has one form
 * here: dollars and resources the shortest decimal text, counts a JSON number.
 */
import Big from "big.js";
import type { Amount } from "./protocol.js";

/** A constructor of our own: the application's settings of Big stay its own, and ours ours. */
const Decimal = Big();
Decimal.RM = Decimal.roundHalfEven;

/** Decimals of money (numeric(28,12)). */
const DECIMALS = 12;

/** A text that is in its one form already: most are, and arithmetic is dear. */
const SHORTEST = /^(?!-0$)-?(?:0|[1-9]\d*)(?:\.\d*[1-9])?$/;

/** The text of a number that is in its one form already. */
const SHORT_FRACTION = /^-?\d+\.\d{1,12}$/;

const DECIMAL_TEXT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?$/i;

/**
 * The shortest decimal text of an amount. A number is rounded half-even to 12 decimals, because its binary form has more than
 * anybody meant; a text is exact and never rounded. What is no amount comes back as it was: the database says what is wrong with it.
 */
export function canonicalDecimal(amount: unknown): unknown {
  if (typeof amount === "bigint") return amount.toString();
  if (typeof amount === "number") {
    const text = String(amount);
    if (Number.isSafeInteger(amount) || SHORT_FRACTION.test(text)) return text;
    return Number.isFinite(amount) ? plain(new Decimal(amount).round(DECIMALS)) : text;
  }
  if (typeof amount === "string" && SHORTEST.test(amount)) return amount;
  return typeof amount === "string" && DECIMAL_TEXT.test(amount)
    ? plain(new Decimal(amount.replace(/^\+/, "")))
    : amount;
}

/** The same for a count: a safe integer where it is one, else as `canonicalDecimal`. */
export function canonicalCount(amount: unknown): unknown {
  if (Number.isSafeInteger(amount)) return amount === 0 ? 0 : amount;
  const text = canonicalDecimal(amount);
  const number = typeof text === "string" && /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(number) ? number : text;
}

/** The sum of amounts, exact. */
export function sum(amounts: Iterable<Amount>): string {
  let total = new Decimal(0);
  for (const amount of amounts) total = total.plus(String(canonicalDecimal(amount)));
  return plain(total);
}

/** An amount as the views give it, to calculate with exactly. */
export function exact(text: string): Big {
  return new Decimal(text);
}

/** An exact amount as text, in its one form. */
export function textOf(amount: Big): string {
  return plain(amount);
}

/** A whole number as the views give it: a safe integer as a number, a larger one as the text it came as. */
export function wholeNumber(text: string): number | string {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : text;
}

function plain(value: Big): string {
  // No exponent, whatever the size; -0 is 0.
  return value.eq(0) ? "0" : value.toFixed();
}
