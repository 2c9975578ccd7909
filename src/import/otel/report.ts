/** What became of spans, as plain JSON. */

/** A finding: of a span, of a whole trace, or of a line of the file. */
export interface Problem {
  readonly line?: number;
  readonly trace?: string;
  readonly span?: string;
  readonly problem: string;
}

/** Spans of one kind. Each found is new, existing, or not taken (`rejected`); a call may also be a wrapper. */
export interface Counted {
  readonly found: number;
  /** Booked now. */
  readonly new: number;
  /** Booked before. */
  readonly existing: number;
}

/** What became of some spans. */
export interface IngestReport {
  readonly spans: number;
  /** Traces that calls or tools were found in. */
  readonly traces: number;
  /** `wrappers`: not counted, because a call below them states the same tokens. */
  readonly calls: Counted & { readonly wrappers: number };
  readonly tools: Counted;
  /** Wrappers that had been booked before what is below them came: taken back. */
  readonly corrected: number;
  /** Spans of agents, workflows and anything else that is no call and no tool. */
  readonly others: number;
  /** Spans of supervised runs, which are in their ledger already. */
  readonly ours: number;
  /** Spans that are malformed, that say something else than what is booked of them, or that the ledger did not take. */
  readonly rejected: number;
  readonly problems: readonly Problem[];
}

/** Problems that are listed: rubbish must not make a report of the same size. */
export const MOST_PROBLEMS = 200;

/** Collects findings. */
export class Problems {
  readonly #found: Problem[] = [];
  #left = 0;

  add(problem: Problem): void {
    if (this.#found.length < MOST_PROBLEMS) this.#found.push(problem);
    else this.#left += 1;
  }

  /** Some more, which nobody put in words. */
  leave(more: number): void {
    this.#left += more;
  }

  list(): Problem[] {
    return this.#left === 0 ? this.#found : [...this.#found, { problem: `${this.#left} more problems are not listed` }];
  }
}

const NONE: Counted = { found: 0, new: 0, existing: 0 };

/** Before anything was looked at. */
export const NOTHING: Omit<IngestReport, "problems"> = {
  spans: 0,
  traces: 0,
  calls: { ...NONE, wrappers: 0 },
  tools: NONE,
  corrected: 0,
  others: 0,
  ours: 0,
  rejected: 0,
};
