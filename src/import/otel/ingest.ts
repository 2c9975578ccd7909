/** Books spans: plans each trace against what is booked of it, applies, and plans again until nothing is left to do. */

import type { Writing } from "./booked.js";
import { type Booking, callOf, toolOf } from "./booking.js";
import { kindOf } from "./kinds.js";
import { Links } from "./links.js";
import { type IngestReport, NOTHING, Problems } from "./report.js";
import type { Export, Span } from "./shapes.js";
import { type Outcome, Traces } from "./traces.js";

/** Where spans are booked. Without either, each trace is a run of its own at the top. */
export interface Where {
  /** Each trace is a run of its own below this pool. */
  readonly parent?: string;
  /** All in this pool. */
  readonly pool?: string;
}

/** Traces that are looked at together. */
const TOGETHER = 100;

/** Traces with calls that are remembered. */
const REMEMBERED = 10_000;

/** Books what comes, and remembers how spans hang together, so that a trace may come in parts and in any order. */
export class Ingest {
  readonly #ledger: Writing;
  readonly #where: Where;
  readonly #links: Links;
  readonly #withCalls = new Set<string>();

  constructor(ledger: Writing, where: Where = {}, links = new Links()) {
    this.#ledger = ledger;
    this.#where = where;
    this.#links = links;
  }

  /**
   * Books the calls and tools among the spans, each once, however often and together with which others they come.
   * @throws {LedgerError} where the ledger cannot be reached: the same spans can be given again.
   */
  async book({ spans, malformed, reasons }: Export): Promise<IngestReport> {
    this.#links.note(spans.map((span) => ({ ...span, kind: kindOf(span) })));
    const problems = new Problems();
    for (const problem of reasons) problems.add({ problem: `malformed span: ${problem}` });
    problems.leave(malformed - reasons.length);
    const sorted = sort(spans, problems);
    const outcomes: Outcome[] = [];
    const traces = [...sorted.traces].filter(([trace, found]) => this.#isLookedAt(trace, found.size));
    for (let from = 0; from < traces.length; from += TOGETHER) {
      const some = new Map(traces.slice(from, from + TOGETHER).map(([trace, found]) => [trace, [...found.values()]]));
      outcomes.push(await new Traces(this.#ledger, this.#where, this.#links, problems).book(some));
    }
    const sum = (of: (outcome: Outcome) => number): number => outcomes.map(of).reduce((a, b) => a + b, 0);
    const found = traces.flatMap(([, bookings]) => [...bookings.values()]);
    const counted = (kind: Booking["kind"]) => ({
      found: found.filter((one) => one.kind === kind).length,
      new: sum((outcome) => outcome[kind].new),
      existing: sum((outcome) => outcome[kind].existing),
    });
    return {
      ...NOTHING,
      spans: spans.length + malformed,
      traces: traces.filter(([, bookings]) => bookings.size > 0).length,
      calls: { ...counted("call"), wrappers: sum(({ wrappers }) => wrappers) },
      tools: counted("tool"),
      corrected: sum(({ corrected }) => corrected),
      others: sorted.others,
      ours: sorted.ours,
      rejected: malformed + sorted.rejected + sum(({ rejected }) => rejected),
      problems: problems.list(),
    };
  }

  /** Looking a run up is quick; a pool has to be searched, so only for traces that are known to have calls. */
  #isLookedAt(trace: string, found: number): boolean {
    if (found > 0) {
      this.#withCalls.delete(trace);
      this.#withCalls.add(trace);
      const [eldest] = this.#withCalls;
      if (this.#withCalls.size > REMEMBERED && eldest !== undefined) this.#withCalls.delete(eldest);
      return true;
    }
    return this.#where.pool === undefined || this.#withCalls.has(trace);
  }
}

/** The calls and tools by trace, each span once; a trace without any may tell what is below a call that is booked. */
function sort(spans: readonly Span[], problems: Problems) {
  const traces = new Map<string, Map<string, Booking>>();
  const counts = { others: 0, ours: 0, rejected: 0 };
  for (const span of spans) {
    const kind = kindOf(span);
    const found = traces.get(span.trace) ?? new Map<string, Booking>();
    traces.set(span.trace, found);
    if (kind !== "call" && kind !== "tool") {
      counts[kind === "ours" ? "ours" : "others"] += 1;
      continue;
    }
    const booking = kind === "call" ? callOf(span) : toolOf(span);
    const first = found.get(span.id);
    if (first === undefined) found.set(span.id, booking);
    else if (first.digest !== booking.digest) {
      counts.rejected += 1;
      const problem = "is there twice, and the two differ: the first was taken";
      problems.add({ trace: span.trace, span: span.id, problem });
    }
  }
  return { traces, ...counts };
}
