/** Spends on their way into an operation: what nobody reported is said to be unknown. */
import { z } from "zod";
import { canonicalCount, sum } from "./amounts.js";
import { LedgerError } from "./errors.js";
import type { Amount, Spend } from "./protocol.js";
import { parse, spend as schema, usageEvent } from "./schemas.js";

/**
 * The `spend` of an operation. Input or output tokens left out make the tokens unknown (and count 0), dollars left out make the
 * dollars unknown; what is there is kept.
 * @throws {LedgerError} LG001 where a field is malformed, or iterations are left out and have no default.
 */
export function operationSpend(given: Spend, defaults: { readonly iterations?: 0 } = {}): Record<string, unknown> {
  const { iterations = defaults.iterations, ...spend } = parse(schema, given, "spend");
  if (iterations === undefined) {
    throw new LedgerError("LG001", "spend.iterations: is required: how many rounds the child took", {
      detail: { path: "spend.iterations", rule: "is required" },
    });
  }
  const tokensKnown = spend.input_tokens !== undefined && spend.output_tokens !== undefined;
  return {
    ...Object.fromEntries(Object.entries(spend).filter(([, value]) => value !== undefined)),
    iterations,
    input_tokens: spend.input_tokens ?? 0,
    output_tokens: spend.output_tokens ?? 0,
    ...(!tokensKnown && { tokens_known: false }),
    ...(spend.usd === undefined && { usd_known: false }),
  };
}

/** The same for one line of a settlement, whose iterations may be left to the sum. */
export function lineSpend<T extends Spend>(line: T): T {
  const tokensKnown = line.input_tokens !== undefined && line.output_tokens !== undefined;
  return { ...line, ...(!tokensKnown && { tokens_known: false }), ...(line.usd === undefined && { usd_known: false }) };
}

/** What an executor reports while it works. */
export type UsageEvent = z.input<typeof usageEvent>;

/**
 * Folds usage events into one spend: every channel adds up, each `iteration` is 1, `progress` never counts, `ms` stays out (the
 * caller records time). No `tokens` event, or one that lacks input or output = tokens unknown; no `cost`, or one without dollars
 * = dollars unknown, and what there is an estimate.
 * @throws {LedgerError} LG001 where an event is malformed.
 */
export function spendFrom(events: Iterable<UsageEvent>): Spend & { readonly iterations: number } {
  const all = parse(z.array(usageEvent), [...events], "events");
  const of = <T extends UsageEvent["type"]>(type: T): Extract<UsageEvent, { type: T }>[] =>
    all.filter((event): event is Extract<UsageEvent, { type: T }> => event.type === type);
  const tokens = of("tokens");
  const costs = of("cost");
  const receipts = costs.flatMap(({ usd }) => (usd === undefined ? [] : [usd]));
  const usdKnown = costs.length > 0 && costs.every(({ usd, usdKnown = true }) => usd !== undefined && usdKnown);
  const tokensKnown = tokens.length > 0 && tokens.every((t) => t.input !== undefined && t.output !== undefined);
  const resources = of("resource");
  const total = (amounts: readonly (Amount | undefined)[]): Amount | undefined => {
    const known = amounts.filter((amount): amount is Amount => amount !== undefined);
    return known.length === 0 ? undefined : (canonicalCount(sum(known)) as Amount);
  };
  const totals = {
    input_tokens: total(tokens.map(({ input }) => input)),
    output_tokens: total(tokens.map(({ output }) => output)),
    cache_read_tokens: total(tokens.map(({ cacheRead }) => cacheRead)),
    cache_write_tokens: total(tokens.map(({ cacheWrite }) => cacheWrite)),
    reasoning_tokens: total(tokens.map(({ reasoning }) => reasoning)),
    usd: receipts.length > 0 ? sum(receipts) : undefined,
  };
  return {
    iterations: of("iteration").length,
    ...Object.fromEntries(Object.entries(totals).filter(([, amount]) => amount !== undefined)),
    ...(!tokensKnown && { tokens_known: false }),
    ...(!usdKnown && { usd_known: false }),
    ...(resources.length > 0 && { resources: resourcesOf(resources) }),
  };
}

function resourcesOf(
  events: readonly { readonly name: string; readonly amount: Amount }[],
): Record<string, { readonly amount: Amount }> {
  const names = [...new Set(events.map(({ name }) => name))];
  const amountsOf = (name: string): Amount[] => events.filter((one) => one.name === name).map(({ amount }) => amount);
  return Object.fromEntries(names.map((name) => [name, { amount: sum(amountsOf(name)) }]));
}
