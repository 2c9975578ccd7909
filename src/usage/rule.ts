/** The one rule by which counts of any provider become a spend. */
import { z } from "zod";
import type { Amount, Spend } from "../ledger/protocol.js";
import { id } from "../ledger/schemas.js";

/**
 * A count on the wire. Null and nothing are not said; what is said and is none (a text, a fraction, below zero, beyond 2^53 - 1) is NaN,
 * so that a whole it belongs to is known to be short of it.
 */
export const count = z
  .int()
  .nonnegative()
  .nullish()
  .transform((value) => value ?? undefined)
  .catch(Number.NaN);

/** A part of usage that holds counts of its own. */
export function counts<T extends z.ZodRawShape>(shape: T) {
  return z.object(shape).optional().catch(undefined);
}

/** Dollars, within what the ledger can hold. */
export const dollars = z.number().nonnegative().lt(1e15).optional().catch(undefined);

/** A name as the ledger takes it; another one is not told. */
export const label = id.optional().catch(undefined);

/** A count as read: NaN where it was said and is none. */
type Count = number | undefined;

/** What a provider says of a call, in its own parts. */
export interface Told {
  /** What makes up the whole prompt: the first is always said where usage is, others where they apply. Each token is in one of them. */
  readonly input: readonly [Count, ...Count[]];
  /** What makes up the output, in the same way. */
  readonly output: readonly [Count, ...Count[]];
  readonly cacheRead?: Count;
  readonly cacheWrite?: Count;
  readonly cacheWrite1h?: Count;
  readonly reasoning?: Count;
  /** A receipt. */
  readonly usd?: Amount | undefined;
}

/**
 * The spend. A whole of which a part is unreadable, or the first is missing, is a lower bound (`tokens_known: false`); a part above its
 * whole, or without one, is left out and the whole stays (read and write together above the prompt: the write is left out).
 */
export function spendOf({ usd, ...told }: Told): Spend {
  const input = wholeOf(told.input);
  const output = wholeOf(told.output);
  const cacheRead = within(told.cacheRead, input.tokens);
  const cacheWrite = within(told.cacheWrite, input.tokens === undefined ? undefined : input.tokens - (cacheRead ?? 0));
  const spend = {
    input_tokens: input.tokens,
    output_tokens: output.tokens,
    cache_read_tokens: cacheRead,
    cache_write_tokens: cacheWrite,
    cache_write_1h_tokens: within(told.cacheWrite1h, cacheWrite),
    reasoning_tokens: within(told.reasoning, output.tokens),
    usd,
    tokens_known: input.short || output.short ? false : undefined,
  };
  return Object.fromEntries(Object.entries(spend).filter(([, value]) => value !== undefined));
}

/** Whether a spend tells anything of tokens. */
export function tellsTokens({ input_tokens, output_tokens }: Spend): boolean {
  return input_tokens !== undefined || output_tokens !== undefined;
}

function wholeOf([first, ...others]: Told["input"]): { readonly tokens: Count; readonly short: boolean } {
  const said = [first, ...others].filter((part) => part !== undefined);
  const known = said.filter((part) => !Number.isNaN(part));
  const tokens = known.reduce((sum, part) => sum + part, 0);
  if (known.length === 0 || !Number.isSafeInteger(tokens)) return { tokens: undefined, short: false };
  return { tokens, short: first === undefined || known.length < said.length };
}

function within(part: Count, whole: Count): Count {
  return part !== undefined && whole !== undefined && part <= whole ? part : undefined;
}

/** Counts that run along with a stream: they are cumulative, so of two words on one count the larger holds. */
export function later<T extends object>(before: T | undefined, now: T): T {
  if (before === undefined) return now;
  const merged = Object.entries(now).map(([name, value]) => [name, latest(Reflect.get(before, name), value)]);
  return { ...before, ...Object.fromEntries(merged) };
}

function latest(before: unknown, now: unknown): unknown {
  if (now === undefined) return before;
  if (typeof now === "number" && typeof before === "number") {
    return Number.isNaN(before) || now > before ? now : before;
  }
  if (Array.isArray(now)) return now;
  return isObject(now) && isObject(before) ? later(before, now) : now;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
