/** Spends on their way into an operation: what nobody reported is said to be unknown. */
import { canonicalCount, canonicalDecimal, sum } from "./amounts.js";
import { LedgerError } from "./errors.js";
import type { Amount, Spend } from "./protocol.js";
import { parse, spend as schema } from "./schemas.js";

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
export type UsageEvent =
  | {
      readonly type: "tokens";
      readonly input: Amount;
      readonly output: Amount;
      readonly cacheRead?: Amount;
      readonly cacheWrite?: Amount;
      readonly reasoning?: Amount;
    }
  | { readonly type: "cost"; readonly usd?: Amount; readonly usdKnown?: boolean }
  | { readonly type: "iteration" }
  | { readonly type: "resource"; readonly name: string; readonly amount: Amount }
  | { readonly type: "progress" };

/**
 * Folds usage events into one spend: every channel adds up, each `iteration` is 1, `progress` never counts, `ms` stays out (the
 * caller records time). No `tokens` event = tokens unknown, no `cost` = dollars unknown; one cost that is not known makes the
 * sum an estimate.
 */
export function spendFrom(events: Iterable<UsageEvent>): Spend {
  const all = [...events];
  const of = <T extends UsageEvent["type"]>(type: T): Extract<UsageEvent, { type: T }>[] =>
    all.filter((event): event is Extract<UsageEvent, { type: T }> => event.type === type);
  const tokens = of("tokens");
  const costs = of("cost");
  const receipts = costs.flatMap(({ usd }) => (usd === undefined ? [] : [usd]));
  const usdKnown = costs.length > 0 && costs.every(({ usd, usdKnown = true }) => usd !== undefined && usdKnown);
  const total = (amounts: Iterable<Amount | undefined>): unknown =>
    canonicalCount(sum([...amounts].map((amount) => amount ?? 0)));
  const resources = of("resource");
  return {
    iterations: of("iteration").length,
    ...(tokens.length > 0 && {
      input_tokens: total(tokens.map(({ input }) => input)),
      output_tokens: total(tokens.map(({ output }) => output)),
      cache_read_tokens: total(tokens.map(({ cacheRead }) => cacheRead)),
      cache_write_tokens: total(tokens.map(({ cacheWrite }) => cacheWrite)),
      reasoning_tokens: total(tokens.map(({ reasoning }) => reasoning)),
    }),
    ...(receipts.length > 0 && { usd: sum(receipts) }),
    ...(!usdKnown && { usd_known: false }),
    ...(resources.length > 0 && {
      resources: Object.fromEntries(
        [...new Set(resources.map(({ name }) => name))].map((name) => [
          name,
          { amount: canonicalDecimal(sum(resources.filter((one) => one.name === name).map(({ amount }) => amount))) },
        ]),
      ),
    }),
  } as Spend;
}
