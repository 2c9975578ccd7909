/** Usage events added up one by one, in the same memory however many there are. */
import { z } from "zod";
import { canonicalCount, sum } from "./amounts.js";
import type { Amount, Spend } from "./protocol.js";
import { parse, usageEvent } from "./schemas.js";
import type { UsageEvent } from "./spend.js";

const TOKENS = {
  input: "input_tokens",
  output: "output_tokens",
  cacheRead: "cache_read_tokens",
  cacheWrite: "cache_write_tokens",
  reasoning: "reasoning_tokens",
} as const;

/** What a spend has fields for is no resource beside them: an amount of it would be counted nowhere. */
const resourceName = z.string().refine((name) => !["tokens", "iterations", "usd"].includes(name), {
  error: "is no resource: tokens, iterations and usd have events of their own",
});

/**
 * Every channel adds up, each `iteration` is 1, `progress` never counts, `ms` stays out (the caller records time). No `tokens` event,
 * or one that lacks input or output = tokens unknown; no `cost`, or one without dollars = dollars unknown, and what there is an
 * estimate.
 */
export class SpendFold {
  readonly #totals = new Map<string, Amount>();
  readonly #resources = new Map<string, Amount>();
  #iterations = 0;
  #tokens = { seen: false, whole: true };
  #usd = { seen: false, whole: true };

  /** @throws {LedgerError} LG001 where the event is malformed; it is not counted then. */
  add(given: UsageEvent, what = "event"): void {
    const event = parse(usageEvent, given, what);
    switch (event.type) {
      case "tokens":
        for (const [key, column] of Object.entries(TOKENS))
          plus(this.#totals, column, event[key as keyof typeof TOKENS]);
        this.#tokens = {
          seen: true,
          whole: this.#tokens.whole && event.input !== undefined && event.output !== undefined,
        };
        return;
      case "cost":
        plus(this.#totals, "usd", event.usd);
        this.#usd = { seen: true, whole: this.#usd.whole && event.usd !== undefined && (event.usdKnown ?? true) };
        return;
      case "resource":
        parse(resourceName, event.name, `${what}.name`);
        plus(this.#resources, event.name, event.amount);
        return;
      case "iteration":
        this.#iterations += 1;
    }
  }

  /** What was added so far. */
  spend(): Spend & { readonly iterations: number } {
    const { usd, ...tokens } = Object.fromEntries(this.#totals);
    return {
      iterations: this.#iterations,
      ...Object.fromEntries(Object.entries(tokens).map(([column, amount]) => [column, canonicalCount(amount)])),
      ...(usd !== undefined && { usd }),
      ...(!(this.#tokens.seen && this.#tokens.whole) && { tokens_known: false }),
      ...(!(this.#usd.seen && this.#usd.whole) && { usd_known: false }),
      ...(this.#resources.size > 0 && {
        resources: Object.fromEntries([...this.#resources].map(([name, amount]) => [name, { amount }])),
      }),
    };
  }
}

function plus(totals: Map<string, Amount>, name: string, amount: Amount | undefined): void {
  if (amount !== undefined) totals.set(name, sum([totals.get(name) ?? 0, amount]));
}
