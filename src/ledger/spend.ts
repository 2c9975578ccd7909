/** Spends on their way into an operation: what nobody reported is said to be unknown. */
import type { z } from "zod";
import { LedgerError } from "./errors.js";
import type { Spend } from "./protocol.js";
import { parse, spend as schema, type usageEvent } from "./schemas.js";
import { SpendFold } from "./spend-fold.js";

/**
 * The `spend` of an operation. Input or output tokens left out make the tokens unknown (and count 0), dollars left out make the
 * dollars unknown; what is there is kept.
 * @throws {LedgerError} LG001 where a field is malformed, or iterations are left out and have no default.
 */
export function operationSpend(given: Spend, defaults: { readonly iterations?: 0 } = {}): Record<string, unknown> {
  const spend = parse(schema, given, "spend");
  const { iterations = defaults.iterations, input_tokens, output_tokens } = spend;
  if (iterations === undefined) {
    throw new LedgerError("LG001", "spend.iterations: is required: how many rounds the child took", {
      detail: { path: "spend.iterations", rule: "is required" },
    });
  }
  const sent: Record<string, unknown> = {
    ...spend,
    iterations,
    input_tokens: input_tokens ?? 0,
    output_tokens: output_tokens ?? 0,
  };
  if (input_tokens === undefined || output_tokens === undefined) sent.tokens_known = false;
  if (spend.usd === undefined) sent.usd_known = false;
  return sent;
}

/** The same for one line of a settlement, whose iterations may be left to the sum. */
export function lineSpend<T extends Spend>(line: T): T {
  const tokensKnown = line.input_tokens !== undefined && line.output_tokens !== undefined;
  return { ...line, ...(!tokensKnown && { tokens_known: false }), ...(line.usd === undefined && { usd_known: false }) };
}

/** What an executor reports while it works. */
export type UsageEvent = z.input<typeof usageEvent>;

/**
 * Folds usage events into one spend: see `SpendFold`.
 * @throws {LedgerError} LG001 where an event is malformed.
 */
export function spendFrom(events: Iterable<UsageEvent>): Spend & { readonly iterations: number } {
  const fold = new SpendFold();
  let place = 0;
  for (const event of events) fold.add(event, `events.${place++}`);
  return fold.spend();
}
