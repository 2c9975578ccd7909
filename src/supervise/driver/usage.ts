/** What a provider reported of one model call, as a spend. What it left out, or said in a way that cannot be, is unknown. */
import { canonicalCount, canonicalDecimal, exact, textOf } from "../../ledger/amounts.js";
import type { Amount, Spend } from "../../ledger/protocol.js";
import type { ChatAnswer } from "./chat.js";

/** What a provider may say of one call. */
type Reported = Pick<ChatAnswer, "usage" | "costUsd">;

/**
 * The spend of one call. Iterations are 0: their channel budgets rounds of children, not turns of drivers. A count that is none (or
 * more than the ledger takes), or a part that is larger than its whole, makes the tokens unknown: a call must be booked whatever its
 * provider says of it. Null is not reported.
 */
export function spendOf({ usage, costUsd }: Reported, ms: number): Spend {
  const { input, output, cacheRead, cacheWrite, reasoning } = usage ?? {};
  const parts = { cache_read_tokens: counted(cacheRead), cache_write_tokens: counted(cacheWrite) };
  const thought = { reasoning_tokens: counted(reasoning) };
  const whole = { input_tokens: counted(input), output_tokens: counted(output) };
  const fits =
    isWithin(Object.values(parts), whole.input_tokens) && isWithin(Object.values(thought), whole.output_tokens);
  const isUnreadable = [input, output, cacheRead, cacheWrite, reasoning].some(
    (count) => (count ?? undefined) !== undefined && counted(count) === undefined,
  );
  return {
    iterations: 0,
    ...said(whole),
    ...(fits && said({ ...parts, ...thought })),
    ...((!fits || isUnreadable) && { tokens_known: false }),
    ...said({ usd: dollars(costUsd) }),
    ms: Math.round(ms),
  };
}

/** What is left of a spend that the ledger does not take: its receipt. */
export function receiptOf({ usd }: Spend): Spend {
  return { iterations: 0, tokens_known: false, ...said({ usd }) };
}

/** Whether both counts that make up a call are there. */
export function tellsTokens(spend: Spend): boolean {
  return spend.input_tokens !== undefined && spend.output_tokens !== undefined && spend.tokens_known !== false;
}

/** A count that the ledger takes: whole, from 0 to 2^53 - 1. */
function counted(count: Amount | undefined): number | undefined {
  const one = canonicalCount(count);
  return typeof one === "number" && one >= 0 ? one : undefined;
}

/** Dollars that the ledger takes: below 10^15, rounded to its 12 decimals. */
function dollars(amount: Amount | undefined): string | undefined {
  const text = canonicalDecimal(amount);
  if (typeof text !== "string" || !/^\d{1,15}(?:\.\d+)?$/.test(text)) return undefined;
  const rounded = exact(text).round(12);
  return rounded.lt("1e15") ? textOf(rounded) : undefined;
}

function isWithin(parts: readonly (number | undefined)[], whole: number | undefined): boolean {
  return parts.reduce<number>((total, part) => total + (part ?? 0), 0) <= (whole ?? 0);
}

/** Without what is undefined. */
function said<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
