/** The children of one scope that are at work in this process: begun, told to stop, and their ends booked. */

import type { Ticket } from "../../ledger/budget-pool.js";
import { newId } from "../../ledger/ids.js";
import type { Progress } from "../scope.js";
import type { Handle } from "../settled.js";
import { book, type Ending } from "./ending.js";
import { spentOf } from "./reading.js";
import { reasonOf } from "./reasons.js";
import type { RunContext } from "./run-context.js";
import { endEvent } from "./scope-events.js";
import { Changes } from "./waiting.js";

/** What a child does, a leaf or a driver. */
export interface Work {
  /** Works until it has ended; `begun` is called when it has begun, or will not. Never rejects. */
  run(begun: () => void): Promise<Ending>;
  /** Called when the work is over, before its end is booked, and again where that failed: ends what is left below. */
  over(): Promise<void>;
  /** Fulfils when all it held is given back, or the time for that is over. */
  torn(): Promise<void>;
  deliver(message: unknown): boolean | Promise<boolean>;
  progress(): Progress;
}

interface LiveChild {
  readonly ticket: Ticket;
  readonly handle: Handle;
  readonly work: Work;
  readonly controller: AbortController;
  /** Under which the end is booked, once however often it is tried. */
  readonly operationId: string;
  /** Set when the work has ended and booking it failed. */
  unbooked?: { readonly ending: Ending; readonly error: unknown };
  booking?: Promise<void>;
  /** Fulfils when the end is booked, or could not be. */
  gone: Promise<void>;
}

export class LiveChildren {
  /** Counts ends, and what else may give a waiting driver something to do. */
  readonly changes = new Changes();
  graceMs: number;
  readonly #live = new Map<string, LiveChild>();
  /** Teardowns of children that have ended, until they are over. */
  readonly #tearing = new Set<Promise<void>>();

  constructor(
    private readonly context: RunContext,
    private readonly poolId: string,
  ) {
    this.graceMs = context.graceMs;
  }

  get size(): number {
    return this.#live.size;
  }

  has(nodeId: string): boolean {
    return this.#live.has(nodeId);
  }

  /** When something was last heard of any of them; 0 where there is none. */
  lastActivityMs(): number {
    let last = 0;
    for (const { work } of this.#live.values()) last = Math.max(last, work.progress().lastActivityMs);
    return last;
  }

  /** Begins a child's work; fulfils when it has begun, or will not. `make` gets the signal that ends it. */
  begin(ticket: Ticket, handle: Handle, aborted: AbortSignal, make: (signal: AbortSignal) => Work): Promise<void> {
    const controller = new AbortController();
    if (aborted.aborted) controller.abort(aborted.reason);
    const work = make(controller.signal);
    const child: LiveChild = { ticket, handle, work, controller, operationId: newId(), gone: Promise.resolve() };
    this.#live.set(handle.nodeId, child);
    return new Promise((begun) => {
      child.gone = work.run(begun).then(
        (ending) => this.#book(child, ending),
        (error: unknown) => {
          // Nobody waits for it in every case: a failure here must end the child, not the process.
          begun();
          return this.#book(child, { kind: "down", spend: null, reason: reasonOf(error), infra: false });
        },
      );
    });
  }

  /** Tells one child to stop; false where it is not at work here. */
  abort(nodeId: string, reason: unknown): boolean {
    const child = this.#live.get(nodeId);
    if (!child || child.unbooked) return false;
    child.controller.abort(reason);
    return true;
  }

  abortAll(reason: unknown): void {
    for (const { controller } of this.#live.values()) controller.abort(reason);
    this.changes.note();
  }

  async deliver(nodeId: string, message: unknown): Promise<boolean> {
    const child = this.#live.get(nodeId);
    return child !== undefined && !child.unbooked && (await child.work.deliver(message));
  }

  progress(nodeId: string): Progress | undefined {
    return this.#live.get(nodeId)?.work.progress();
  }

  /** Waits until all have ended by themselves; false where `ms` have passed first. */
  async settleWithin(ms: number): Promise<boolean> {
    const until = performance.now() + ms;
    for (let seen = this.changes.count; this.#working() > 0; seen = this.changes.count) {
      const left = until - performance.now();
      if (left <= 0) return false;
      await this.changes.after(seen, left);
    }
    return true;
  }

  /** Waits for all ends and teardowns, also those of children that ended long ago. @throws {LedgerError} where an end could not be booked. */
  async gone(): Promise<void> {
    const children = [...this.#live.values()];
    await Promise.all(children.map(({ gone }) => gone));
    await Promise.all([this.bookAgain(), ...children.map(({ work }) => work.torn()), ...this.#tearing]);
  }

  /** Tries to book the ends that could not be booked. @throws {LedgerError} where one still cannot: it is kept, ask again. */
  async bookAgain(): Promise<void> {
    const failed = [...this.#live.values()].filter(({ unbooked }) => unbooked);
    await Promise.all(failed.map((child) => child.unbooked && this.#book(child, child.unbooked.ending)));
    for (const { unbooked } of failed) if (unbooked) throw unbooked.error;
  }

  #working(): number {
    return [...this.#live.values()].filter(({ unbooked }) => !unbooked).length;
  }

  #book(child: LiveChild, ending: Ending): Promise<void> {
    child.booking ??= this.#bookOnce(child, ending).finally(() => {
      delete child.booking;
      this.changes.note();
    });
    return child.booking;
  }

  async #bookOnce(child: LiveChild, ending: Ending): Promise<void> {
    const { context, poolId } = this;
    const { ticket, handle, work, operationId } = child;
    try {
      await work.over();
      const { ledger } = context;
      const booked = await book(context, ledger.pool(poolId), ticket, ending, operationId, context.leaseMs);
      delete child.unbooked;
      this.#live.delete(handle.nodeId);
      this.#tear(work.torn());
      if (!booked) return;
      const { status, spend, outRef = null, verdict, reason = null, infra } = booked;
      const end = { nodeId: handle.nodeId, status, outRef, verdict, spent: spentOf(spend), reason, infra };
      context.emit(endEvent(context.runId, poolId, end));
      if (status !== "done") context.onDown?.();
    } catch (error) {
      child.unbooked = { ending, error };
    }
  }
  #tear(torn: Promise<void>): void {
    const over = torn.catch(() => {}).finally(() => this.#tearing.delete(over));
    this.#tearing.add(over);
  }
}
