/** What an event consumed, and whether that is what it moved. */
import type Big from "big.js";
import { exact, textOf } from "../ledger/amounts.js";
import { type EventLine, type PoolLine, USAGE, type UsageLine } from "./shapes.js";

export const ZERO: Big = exact("0");

/** Kinds of events that book spend. */
export const SPENDS: ReadonlySet<string> = new Set(["metered", "settled", "cancelled", "expired", "corrected"]);

/** An amount that may be left out. */
export function amountOf(text: string | undefined): Big {
  return text === undefined ? ZERO : exact(text);
}

/** Sums by name. */
export type Sums = Map<string, Big>;

/** Adds to one of them. */
export function add(sums: Sums, name: string, amount: Big): void {
  sums.set(name, (sums.get(name) ?? ZERO).plus(amount));
}

/** Adds what a line states, resources under `resource <name>`. */
export function addUsage(sums: Sums, line: UsageLine): void {
  for (const name of USAGE) if (line[name] !== undefined) add(sums, name, exact(line[name]));
  for (const [name, { amount }] of line.resources ?? []) add(sums, `resource ${name}`, exact(amount));
}

/** Names on which two sums differ, with both. */
export function differences(one: Sums, other: Sums): string[] {
  const names = new Set([...one.keys(), ...other.keys()]);
  return [...names].flatMap((name) => {
    const [a, b] = [one.get(name) ?? ZERO, other.get(name) ?? ZERO];
    return a.eq(b) ? [] : [`${name}: ${textOf(a)} and ${textOf(b)}`];
  });
}

/** The lines of an event add up to it; told apart only where it has any. */
export function linesAgree(event: EventLine): string[] {
  if (event.lines === undefined) return [];
  const [whole, parts]: [Sums, Sums] = [new Map(), new Map()];
  addUsage(whole, event);
  for (const line of event.lines) addUsage(parts, line);
  return differences(whole, parts);
}

/**
 * What an event should charge in tokens, where it charges something else: input and output in the unit of the pool, and what it charges
 * without a receipt. Undefined where it agrees; nothing said is nothing charged.
 */
export function chargeMissed(event: EventLine, unit: PoolLine["token_charge"]): string | undefined {
  const cached = unit === "uncached" ? amountOf(event.cache_read_tokens) : ZERO;
  const measured = amountOf(event.input_tokens).plus(amountOf(event.output_tokens)).minus(cached);
  const should = measured.plus(amountOf(event.uncertain_tokens));
  return amountOf(event.charged_tokens).eq(should) ? undefined : textOf(should);
}

/** What an event of the pool's own says it used, by channel, and what it posted there; transfers and draws are others' spend. */
export function usageAgrees(event: EventLine): { readonly channel: string; readonly detail: string }[] {
  if (event.source_pool_id !== undefined) return [];
  const [used, moved]: [Sums, Sums] = [new Map(), new Map()];
  if (SPENDS.has(event.kind)) {
    for (const [channel, amount, uncertain] of [
      ["tokens", event.charged_tokens, event.uncertain_tokens],
      ["iterations", event.iterations, event.uncertain_iterations],
      ["usd", event.usd, event.uncertain_usd],
    ] as const) {
      add(used, channel, amountOf(amount));
      add(used, `${channel} uncertain`, amountOf(uncertain));
    }
    for (const [name, { amount, uncertain }] of event.resources ?? []) {
      add(used, name, exact(amount));
      add(used, `${name} uncertain`, amountOf(uncertain));
    }
  }
  for (const { channel, spent, uncertain, remainder } of event.postings ?? []) {
    // What only a seal put there is nobody's usage.
    add(moved, channel, amountOf(spent).minus(amountOf(remainder)));
    add(moved, `${channel} uncertain`, amountOf(uncertain).minus(amountOf(remainder)));
  }
  return differences(used, moved).map((detail) => ({ channel: detail.replace(/(?: uncertain)?: .*$/, ""), detail }));
}
