/** From turns to figures. */
import { type Spread, spreadOf } from "../spread.js";
import type { Figure, Side, Target } from "./case.js";
import type { Turn } from "./loads/load.js";
import type { Turned } from "./rounds.js";

/** What is compared of a turn. */
export interface Measure {
  readonly unit: string;
  of(turn: Turn): number;
}

/** Operations, or pairs of them, per second. */
export const RATE: Measure = { unit: "/s", of: ({ done, ms }) => (done / ms) * 1000 };
/** The 99th percentile of a call, in milliseconds. */
export const P99: Measure = { unit: "ms p99", of: ({ latency }) => latency.p99 };

/** At least, at most so much. */
export const atLeast = (value: number): Target => ({ bound: ">=", value });
export const atMost = (value: number): Target => ({ bound: "<=", value });

function sideOf({ what, turns }: Turned, measure: Measure): Side {
  const sum = (of: (turn: Turn) => number): number => turns.reduce((total, turn) => total + of(turn), 0);
  return {
    what,
    ...spreadOf(turns.map((turn) => measure.of(turn))),
    transactions: sum(({ transactions }) => transactions),
    retries: sum(({ retries }) => retries),
  };
}

function figure(
  name: string,
  unit: string,
  sides: Pick<Figure, "measured" | "baseline">,
  value: Spread,
  target: Target | null,
): Figure {
  const met = target && (target.bound === ">=" ? value.median >= target.value : value.median <= target.value);
  return { name, unit, ...sides, value, target, met };
}

/** One side beside the other: the ratio is the figure. */
export function ratio(
  name: string,
  measured: Turned,
  baseline: Turned,
  target: Target | null,
  measure: Measure = RATE,
): Figure {
  const sides = { measured: sideOf(measured, measure), baseline: sideOf(baseline, measure) };
  const single = measured.turns.map((turn, round) => {
    const other = baseline.turns[round];
    return measure.of(turn) / (other ? measure.of(other) : Number.NaN);
  });
  const value = { ...spreadOf(single), median: sides.measured.median / sides.baseline.median };
  return figure(name, measure.unit, sides, value, target);
}

/** What is measured is the figure itself. */
export function absolute(name: string, measured: Turned, target: Target | null, measure: Measure): Figure {
  const side = sideOf(measured, measure);
  const { median, least, most } = side;
  return figure(name, measure.unit, { measured: side, baseline: null }, { median, least, most }, target);
}

/** How often a transaction had to be done again, over all rounds. */
export function retriesOf(name: string, measured: Turned, most: number): Figure {
  const side = sideOf(measured, RATE);
  const value = side.transactions > 0 ? side.retries / side.transactions : Number.NaN;
  return known(name, "retries per transaction", { ...side, median: value, least: value, most: value }, atMost(most));
}

/** A value that was counted or weighed once. */
export function known(name: string, unit: string, side: Side, target: Target | null): Figure {
  const { median, least, most } = side;
  return figure(name, unit, { measured: side, baseline: null }, { median, least, most }, target);
}

/** A side that is only a value. */
export function single(what: string, value: number): Side {
  return { what, median: value, least: value, most: value, transactions: 0, retries: 0 };
}
