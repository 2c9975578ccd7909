/** Some traces on their way into the ledger. */
import type { Answer, Operation } from "../../ledger/protocol.js";
import { type Known, poolsOf, readKnown, type Writing } from "./booked.js";
import { type Booking, operationOf } from "./booking.js";
import { runOf, spanOperation, wrapperOperation } from "./ids.js";
import type { Where } from "./ingest.js";
import type { Links } from "./links.js";
import { openRun } from "./opening.js";
import { type Booked, type Plan, planTrace } from "./plan.js";
import { MOST_PROBLEMS, type Problems } from "./report.js";

/** What became of them. */
export interface Outcome {
  readonly call: { readonly new: number; readonly existing: number };
  readonly tool: { readonly new: number; readonly existing: number };
  readonly wrappers: number;
  readonly corrected: number;
  readonly rejected: number;
}

/** What is sent, and what it is of. */
interface Step {
  readonly operation: Operation;
  readonly trace: string;
  readonly span: string;
  readonly booking?: Booking;
}

/** Each settles something, or another process does; more than a few mean that somebody keeps at it. */
const ROUNDS = 8;

const ZERO = { iterations: 0, input_tokens: 0, output_tokens: 0, usd: 0, ms: 0 };

export class Traces {
  readonly #ledger: Writing;
  readonly #where: Where;
  readonly #links: Links;
  readonly #problems: Problems;
  /** Operations, and traces, that the ledger does not take. */
  readonly #failed = new Set<string>();
  /** Spans whose end is in the future by the clock of the database. */
  readonly #undated = new Set<string>();
  /** Operations that another process was met at. */
  readonly #met = new Set<string>();
  /** Those that stand somewhere else. */
  readonly #taken: Step[] = [];
  readonly #new = new Set<Booking>();
  #corrected = 0;

  constructor(ledger: Writing, where: Where, links: Links, problems: Problems) {
    this.#ledger = ledger;
    this.#where = where;
    this.#links = links;
    this.#problems = problems;
  }

  async book(traces: ReadonlyMap<string, readonly Booking[]>): Promise<Outcome> {
    const pools = new Map([...traces.keys()].map((trace) => [trace, this.#where.pool ?? runOf(trace)]));
    let plans = new Map<string, Plan>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const known = await readKnown(this.#ledger, pools);
      plans = new Map([...traces].map(([trace, found]) => [trace, this.#plan(trace, found, known)]));
      if (round === 0) this.#compare(traces, known);
      await this.#open(plans, known);
      const steps = [...plans].flatMap(([trace, plan]) => this.#steps(trace, pools.get(trace) ?? "", plan));
      if (steps.length === 0) return this.#outcome(plans);
      const answers = await this.#ledger.apply(steps.map(({ operation }) => operation));
      // What is booked is read again, also where all went well: another process may have booked a part of the same trace meanwhile.
      steps.forEach((step, place) => {
        const answer = answers[place];
        if (answer) this.#hear(step, answer);
      });
      await this.#findTaken();
    }
    const problem = "some kept changing while they were booked: send them again";
    this.#problems.add({ problem });
    return this.#outcome(plans);
  }

  #plan(trace: string, found: readonly Booking[], { booked }: Known): Plan {
    return planTrace(trace, found, booked.get(trace) ?? new Map<string, Booked>(), this.#links);
  }

  /** A run stays where it stands. */
  #compare(traces: ReadonlyMap<string, readonly Booking[]>, { opened }: Known): void {
    const { parent } = this.#where;
    for (const [trace, found] of parent === undefined ? [] : traces) {
      const above = opened.get(trace);
      if (found.length === 0 || above === undefined || above === parent) continue;
      const place = above === null ? "at the top" : `below ${above}`;
      this.#problems.add({
        trace,
        problem: `its run stands ${place} already, and not below ${parent}: it stays there`,
      });
    }
  }

  async #open(plans: ReadonlyMap<string, Plan>, { opened }: Known): Promise<void> {
    const missing = [...plans].filter(
      ([trace, { book }]) => book.length > 0 && !opened.has(trace) && !this.#failed.has(trace),
    );
    await Promise.all(
      missing.map(async ([trace, { book }]) => {
        const { pool, parent } = this.#where;
        const problem =
          pool === undefined
            ? await openRun(
                this.#ledger,
                trace,
                book.map(({ booking }) => booking),
                parent,
              )
            : `there is no pool ${pool}`;
        if (problem !== undefined) this.#fail(trace, { trace, problem });
      }),
    );
  }

  #steps(trace: string, pool: string, { book, zero }: Plan): Step[] {
    if (this.#failed.has(trace)) return [];
    const metered = book.map(({ booking, above }): Step => {
      const operation_id = spanOperation(trace, booking.span.id);
      const { effective_at, ...undated } = operationOf(booking, { operation_id, pool_id: pool }, above);
      const isDated = effective_at !== undefined && !this.#undated.has(operation_id);
      return { operation: isDated ? { ...undated, effective_at } : undated, trace, span: booking.span.id, booking };
    });
    const zeroed = zero.map((span): Step => {
      const operation = {
        op: "correct",
        operation_id: wrapperOperation(trace, span),
        of: spanOperation(trace, span),
        spend: ZERO,
        reason: "a call below it is counted, whose tokens it states once more",
      };
      return { operation, trace, span };
    });
    return [...metered, ...zeroed].filter(({ operation }) => !this.#failed.has(operation.operation_id));
  }

  #hear(step: Step, { status, code, result }: Answer): void {
    const { operation, trace, span, booking } = step;
    const { operation_id: id } = operation;
    if (status === "ok" && booking) this.#new.add(booking);
    else if (status === "ok") this.#corrected += 1;
    if (status === "ok" || (status === "replayed" && code === null)) return;
    if (result.path === "effective_at" && !this.#undated.has(id)) {
      this.#undated.add(id);
      const problem = "ends in the future by the clock of the database: booked as of now";
      this.#problems.add({ trace, span, problem });
    } else if (code === "LG005" && !this.#met.has(id)) {
      // Either another process was faster, which the next reading tells, or it was used for something else.
      this.#met.add(id);
    } else if (code === "LG005") {
      this.#taken.push(step);
    } else {
      const why = [code, result.path, result.rule].filter(Boolean).join(" ");
      this.#fail(id, { trace, span, problem: `not booked: ${why}` });
    }
  }

  async #findTaken(): Promise<void> {
    const taken = this.#taken.splice(0);
    const ids = taken.map(({ operation }) => operation.operation_id);
    // Of more than that nothing is told.
    const pools = await poolsOf(this.#ledger, ids.slice(0, MOST_PROBLEMS));
    for (const { operation, trace, span } of taken) {
      const pool = pools.get(operation.operation_id);
      const why =
        pool === undefined
          ? `the operation id ${operation.operation_id} is in use for something else`
          : `it is booked already, in the pool ${pool}`;
      this.#fail(operation.operation_id, { trace, span, problem: `not booked: ${why}` });
    }
  }

  #fail(id: string, problem: { trace: string; span?: string; problem: string }): void {
    this.#failed.add(id);
    this.#problems.add(problem);
  }

  #outcome(plans: ReadonlyMap<string, Plan>): Outcome {
    const every = [...plans.values()];
    const changed = every.flatMap((plan) => plan.changed);
    for (const { span } of changed) {
      this.#problems.add({
        trace: span.trace,
        span: span.id,
        problem: "says something else than what is booked of it: not taken",
      });
    }
    const unbooked = every.flatMap(({ book }) => book.map(({ booking }) => booking));
    const there = every.flatMap(({ existing }) => existing).filter((one) => !this.#new.has(one));
    const count = (of: Iterable<Booking>, kind: Booking["kind"]): number =>
      [...of].filter((one) => one.kind === kind).length;
    return {
      call: { new: count(this.#new, "call"), existing: count(there, "call") },
      tool: { new: count(this.#new, "tool"), existing: count(there, "tool") },
      wrappers: every.reduce((sum, { wrappers }) => sum + wrappers.length, 0),
      corrected: this.#corrected,
      rejected: changed.length + unbooked.length,
    };
  }
}
