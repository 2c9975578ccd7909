/** Amounts as callers may write them, checked. */
import { z } from "zod";
import { canonicalDecimal } from "./amounts.js";
import type { Amount } from "./protocol.js";

const AMOUNT = "must be a number or a decimal text";

/** Decides in one look, because it runs for every amount of every call. */
function amountThat(isAmount: (text: string) => boolean, rule: string): z.ZodType<Amount, Amount> {
  return z.custom<Amount>((value) => isAmount(decimalOf(value)), {
    error: ({ input }) => {
      if (input === undefined) return `is required: it ${AMOUNT}`;
      return isDecimal(decimalOf(input)) ? rule : AMOUNT;
    },
  });
}

/** The text of an amount; of what is none, some text that is none. */
function decimalOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" || typeof value === "bigint"
    ? String(canonicalDecimal(value))
    : "";
}

const isDecimal = (text: string): boolean => /^-?\d+(?:\.\d+)?$/.test(text);
const isNotNegative = (text: string): boolean => /^\d+(?:\.\d+)?$/.test(text);

/** An amount, also a negative one. */
export const amount = amountThat(isDecimal, AMOUNT);

/** An amount that is 0 or more. */
export const notNegative = amountThat(isNotNegative, "must not be negative");

/** Dollars as the ledger books them (kind `money` of the database's rules). */
export const dollars = notNegative.refine(
  (value) => /^\d{1,15}(?:\.\d{1,12})?$/.test(String(canonicalDecimal(value))),
  "must be below 10^15 with at most 12 decimals",
);
