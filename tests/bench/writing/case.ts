/** What a case of the writing benchmark is, and what it finds. */
import type { Spread } from "../spread.js";
import type { Place } from "./place.js";

/** How much and how long. */
export interface Options {
  /** How often each side has its turn, after one that does not count. */
  readonly rounds: number;
  /** How long a turn is. */
  readonly seconds: number;
  /** Events in the large journal. */
  readonly events: number;
  /** Events written to see how many bytes they take. */
  readonly stored: number;
  /** Pools of the tenant whose batches go across pools. */
  readonly pools: number;
  /** Concurrent callers of the case about many. */
  readonly callers: number;
  /** pgbench's scale: 100,000 rows each. */
  readonly scale: number;
  /** The SQL file of pgledger, where it is to be measured too. */
  readonly pgledger?: string | undefined;
}

/** The sizes of the targets. */
export const FULL: Options = {
  rounds: 5,
  seconds: 3,
  events: 10_000_000,
  stored: 40_000,
  pools: 10_000,
  callers: 5000,
  scale: 10,
};

/** A look at whether everything works. Rates mean nothing here. */
export const SMALL: Options = {
  rounds: 2,
  seconds: 0.3,
  events: 4000,
  stored: 1000,
  pools: 200,
  callers: 500,
  scale: 1,
};

/** One side of a comparison: what it did per second (or the unit of its figure), and how often it had to repeat. */
export interface Side extends Spread {
  readonly what: string;
  readonly transactions: number;
  readonly retries: number;
}

/** What a figure must be. */
export interface Target {
  readonly bound: ">=" | "<=";
  readonly value: number;
}

/** One line of the table. */
export interface Figure {
  /** The case it belongs to. */
  readonly name: string;
  /** Of both sides: "/s", "ms", "MB", "bytes", "retries per transaction" … */
  readonly unit: string;
  readonly measured: Side;
  /** Null where the target is an absolute one. */
  readonly baseline: Side | null;
  /** Median of measured by median of baseline, with the range of single rounds; what was measured where there is no baseline. */
  readonly value: Spread;
  /** Null where the figure is only to be known. */
  readonly target: Target | null;
  readonly met: boolean | null;
}

/** What a case came to. */
export interface Outcome {
  readonly figures: readonly Figure[];
  /** Where the books are not what callers were told, and what `ledger.audit` found. Empty = sound. */
  readonly wrong: readonly string[];
  /** What else is worth knowing, a line each. */
  readonly notes: readonly string[];
}

/** What a case works with. */
export interface Bench {
  readonly place: Place;
  readonly options: Options;
  /** Hears what is under way. */
  log(line: string): void;
}

/** A case: databases of its own, loads that take turns, and a look into the books at the end. */
export interface Case {
  /** Chooses the case on the command line; unique. */
  readonly name: string;
  /** In a sentence. */
  readonly about: string;
  run(bench: Bench): Promise<Outcome>;
}
