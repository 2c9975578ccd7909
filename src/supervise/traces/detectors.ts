/** What is looked for in a trace: an agent that goes round in circles, and one whose tools fail. */
import { z } from "zod";
import { parse } from "../../ledger/schemas.js";
import type { ToolSpan } from "./span.js";

/** One tool call as detectors see it. */
export interface TraceCall {
  readonly span: ToolSpan;
  /** Its name, in the form in which the ledger takes it. */
  readonly tool: string;
  /** Place in its trace, from 0. */
  readonly position: number;
  /** The same for the same tool and canonical arguments; undefined where they are not stated or have no canonical form, which equals nothing. */
  readonly fingerprint: string | undefined;
}

/** Calls that belong together, as far as they went. */
export interface CallStreak {
  /** How many there are. */
  readonly streak: number;
  /** Place of the first of them. Default: the call itself. */
  readonly first?: number | undefined;
  /** The tool of all of them; left out where they are of several. */
  readonly tool?: string | undefined;
}

/** Looks for one thing. */
export interface TraceDetector {
  /** Names its findings. */
  readonly name: string;
  /** Begins a trace: what it answers is told every call of it, in order, and answers the streak where that is a finding. */
  start(): (call: TraceCall) => CallStreak | undefined;
}

const DEFAULT_THRESHOLD = 3;
const threshold = z.number().int().min(1);

/** A streak that is a finding when it reaches the threshold, and again only when it has doubled. */
class Streak {
  #length = 0;
  #first = 0;
  #tool: string | undefined;
  #nextAt: number;

  constructor(readonly threshold: number) {
    this.#nextAt = threshold;
  }

  reset(): void {
    this.#length = 0;
    this.#nextAt = this.threshold;
  }

  grow({ position, tool }: TraceCall): CallStreak | undefined {
    if (this.#length === 0) {
      this.#first = position;
      this.#tool = tool;
    }
    if (tool !== this.#tool) this.#tool = undefined;
    this.#length += 1;
    if (this.#length < this.#nextAt) return undefined;
    this.#nextAt *= 2;
    return { streak: this.#length, first: this.#first, tool: this.#tool };
  }
}

/**
 * `repeated-action`: so many calls in a row (default 3) of the same tool with the same arguments.
 * @throws {LedgerError} LG001 where the threshold is no count.
 */
export function repeatedAction(calls: number = DEFAULT_THRESHOLD): TraceDetector {
  const least = parse(threshold, calls, "calls");
  return {
    name: "repeated-action",
    start() {
      const streak = new Streak(least);
      let last: string | undefined;
      return (call) => {
        if (call.fingerprint === undefined || call.fingerprint !== last) streak.reset();
        last = call.fingerprint;
        return last === undefined ? undefined : streak.grow(call);
      };
    },
  };
}

/**
 * `error-streak`: so many calls in a row (default 3) that ended in an error. One that was fine ends the streak; one of which nobody said how it
 * ended leaves it as it is.
 * @throws {LedgerError} LG001 where the threshold is no count.
 */
export function errorStreak(calls: number = DEFAULT_THRESHOLD): TraceDetector {
  const least = parse(threshold, calls, "calls");
  return {
    name: "error-streak",
    start() {
      const streak = new Streak(least);
      return (call) => {
        if (call.span.status === "ok") streak.reset();
        return call.span.status === "error" ? streak.grow(call) : undefined;
      };
    },
  };
}
