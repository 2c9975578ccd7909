/**
 * What no usage can be, whatever it adds up to. A `corrected` row states differences, which are free.
 *
 * - `usage-out-of-bounds`: an amount below zero, or a part that exceeds its whole: cache reads and writes their input, one-hour writes all
 *   cache writes, reasoning the output, what is uncertain what is charged.
 * - `known-usage-uncertain`: `usd_known` or `tokens_known` is true, but the row has no dollars, or some of them, or tokens, are uncertain.
 * - `usage-of-no-spend`: a row whose kind spends nothing states usage.
 * - `effective-after-recorded`: it happened after it was written down.
 * - `metered-of-other-node`: a call is of the node that owns its pool.
 *
 * The time of writing may go back where the clock of a server was set back, and an operation id may come again once it is no longer
 * kept: neither is a finding.
 */
import type Big from "big.js";
import type { Findings } from "./findings.js";
import type { Place } from "./journal.js";
import { type EventLine, USAGE, type UsageLine } from "./shapes.js";
import { amountOf, SPENDS } from "./usage.js";

/** Checks what an event states by itself, and what its lines state. */
export function checkLimits(event: EventLine, place: Place, findings: Findings): void {
  const { kind, effective_at, recorded_at, node_id, pool_id } = event;
  if (effective_at !== undefined && recorded_at !== undefined && isAfter(effective_at, recorded_at)) {
    findings.add("effective-after-recorded", place, `${effective_at} and ${recorded_at}`);
  }
  if (kind === "metered" && node_id !== pool_id) {
    findings.add("metered-of-other-node", place, `metered of ${node_id ?? "no node"}`);
  }
  if (!SPENDS.has(kind)) {
    const stated = USAGE.filter((name) => event[name] !== undefined);
    if (stated.length > 0) findings.add("usage-of-no-spend", place, `${kind} states ${stated.join(", ")}`);
    return;
  }
  if (kind === "corrected") return;
  // What lines leave unexplained has no number: it is a difference too.
  for (const usage of [event, ...(event.lines ?? []).filter(({ line }) => line !== undefined)]) {
    for (const detail of outOfBounds(usage)) findings.add("usage-out-of-bounds", place, detail);
    for (const detail of uncertainThoughKnown(usage)) findings.add("known-usage-uncertain", place, detail);
  }
}

/** Instants as an export has them, in years of four digits, compare as text. */
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

function isAfter(one: string, other: string): boolean {
  return INSTANT.test(one) && INSTANT.test(other) && one > other;
}

function outOfBounds(usage: UsageLine): string[] {
  const faults = USAGE.filter((name) => amountOf(usage[name]).lt(0)).map((name) => `${name} is below zero`);
  for (const [name, { amount }] of usage.resources ?? []) {
    if (amountOf(amount).lt(0)) faults.push(`${name} is below zero`);
  }
  const within = (what: string, part: Big, whole: string | undefined): void => {
    if (whole !== undefined && part.gt(amountOf(whole))) faults.push(`${what} exceed ${whole}`);
  };
  const { cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens } = usage;
  within("cache reads and writes", amountOf(cache_read_tokens).plus(amountOf(cache_write_tokens)), usage.input_tokens);
  within("cache_write_1h_tokens", amountOf(cache_write_1h_tokens), cache_write_tokens ?? "0");
  within("reasoning_tokens", amountOf(reasoning_tokens), usage.output_tokens);
  within("uncertain_tokens", amountOf(usage.uncertain_tokens), usage.charged_tokens);
  within("uncertain_iterations", amountOf(usage.uncertain_iterations), usage.iterations);
  within("uncertain_usd", amountOf(usage.uncertain_usd), usage.usd);
  return faults;
}

function uncertainThoughKnown(usage: UsageLine): string[] {
  const { usd, usd_known, uncertain_usd, tokens_known, uncertain_tokens } = usage;
  const faults: string[] = [];
  if (usd_known === true && usd === undefined) faults.push("usd is known, and not there");
  if (usd_known === true && !amountOf(uncertain_usd).eq(0))
    faults.push(`usd is known, and ${uncertain_usd} of it uncertain`);
  if (tokens_known === true && !amountOf(uncertain_tokens).eq(0)) {
    faults.push(`tokens are known, and ${uncertain_tokens} of them uncertain`);
  }
  return faults;
}
