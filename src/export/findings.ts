/** What is wrong with an export: by rule, and where. */

/** One thing that is wrong. */
export interface Finding {
  /** Which rule it breaks, such as `balance-differs-from-journal`. */
  readonly rule: string;
  /** The line of the file, from 1; left out where no single line is at fault. */
  readonly line?: number;
  readonly pool_id?: string;
  readonly channel?: string;
  readonly seq?: string;
  readonly node_id?: string;
  /** What there is and what there should be, in words. */
  readonly detail: string;
}

/** How many are kept: a file cut in half breaks everything behind the cut. */
const MOST = 200;

/** Findings so far. */
export class Findings {
  readonly kept: Finding[] = [];
  count = 0;

  add(rule: string, place: Omit<Finding, "rule" | "detail">, detail: string): void {
    this.count += 1;
    if (this.kept.length < MOST) this.kept.push({ rule, ...place, detail });
  }
}
