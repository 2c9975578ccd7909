/** One leaf at work: its executor is made, run, told to stop, given up, torn down. It answers how the work ended, and never throws. */

import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import type { BudgetPool, Ticket } from "../../ledger/budget-pool.js";
import type { Amount } from "../../ledger/protocol.js";
import { SpendFold } from "../../ledger/spend-fold.js";
import type { Worker, WorkerContext } from "../agent.js";
import type { Executor } from "../executor.js";
import type { Progress } from "../scope.js";
import { type Ending, NOTHING_SPENT } from "./ending.js";
import { isOfLedger, reasonOf } from "./reasons.js";
import { brokenOff, checkedResult, spentInAll } from "./reported.js";
import { within } from "./waiting.js";

/** What a leaf is run with. */
export interface LeafOptions {
  readonly pool: BudgetPool;
  readonly ticket: Ticket;
  readonly context: WorkerContext;
  readonly signal: AbortSignal;
  readonly graceMs: () => number;
  readonly stalledMs: number;
  /** Its ceiling of dollars, where it has one. */
  readonly maxUsd: Amount | undefined;
}

type Work = { readonly result: unknown } | { readonly thrown: unknown };

/** Events of a stream between two turns of the event loop. */
const EVENTS_PER_TURN = 100;

export class Leaf {
  /** Fulfils when the teardown is over, or its time is. */
  torn: Promise<void> = Promise.resolve();
  readonly #fold = new SpendFold();
  #executor: Executor | undefined;
  #lastActivityMs = Date.now();
  #over = false;

  constructor(private readonly options: LeafOptions) {}

  /** `begun` is called once: when the work has begun, or will not. */
  async run(worker: Worker, task: unknown, begun: () => void): Promise<Ending> {
    const { context, pool, ticket, signal, graceMs, maxUsd } = this.options;
    let since: number | undefined;
    const elapsedMs = (): number => Math.round(performance.now() - (since ?? performance.now()));
    try {
      if (signal.aborted) return { kind: "never", reason: reasonOf(signal.reason) };
      const executor = worker.executor(task, context);
      this.#executor = executor;
      if (signal.aborted) return { kind: "never", reason: reasonOf(signal.reason) };
      await pool.dispatch(ticket);
      if (signal.aborted) return { kind: "never", reason: reasonOf(signal.reason) };
      since = performance.now();
      const working = this.#work(executor, task);
      begun();
      const work = await within(working, signal, graceMs);
      return this.#ending(work, elapsedMs());
    } catch (error) {
      const reason = reasonOf(error);
      if (since !== undefined) {
        return { kind: "down", spend: brokenOff(this.#fold.spend(), elapsedMs(), maxUsd), reason, infra: false };
      }
      // It was not begun, so that nothing was spent; who could not be reached was the ledger, not the work.
      return { kind: "down", spend: NOTHING_SPENT, reason, infra: isOfLedger(error) };
    } finally {
      this.#over = true;
      begun();
      if (this.#executor) this.torn = tornDown(this.#executor, graceMs());
    }
  }

  async deliver(message: unknown): Promise<boolean> {
    if (this.#over || !this.#executor?.deliver) return false;
    try {
      return (await this.#executor.deliver(message)) === true;
    } catch {
      return false;
    }
  }

  progress(): Progress {
    let told: ReturnType<NonNullable<Executor["progress"]>>;
    try {
      told = this.#executor?.progress?.();
    } catch {
      // What an executor says of itself must not end its caller.
    }
    const lastActivityMs = Math.max(this.#lastActivityMs, told?.lastActivityMs ?? 0);
    return { lastActivityMs, stalled: Date.now() - lastActivityMs > this.options.stalledMs, note: told?.note };
  }

  async #work(executor: Executor, task: unknown): Promise<Work> {
    try {
      const answer: unknown = await executor.execute(task, this.options.signal);
      if (!isStream(answer)) return { result: answer };
      let events = 0;
      for await (const event of answer) {
        if (this.#over) return { thrown: new Error("given up") };
        // A stream that never waits would keep timers, and so leases and aborts, from coming.
        events += 1;
        if (events % EVENTS_PER_TURN === 0) await turnOfTheLoop();
        this.#lastActivityMs = Date.now();
        this.#fold.add(event);
      }
      if (!executor.resultArtifact) throw new Error("the stream ended, and the executor has no resultArtifact");
      return { result: await executor.resultArtifact() };
    } catch (thrown) {
      return { thrown };
    }
  }

  /** A child that was aborted is down whatever it made: nobody asked for it any more. Undefined work was given up. */
  #ending(work: Work | undefined, ms: number): Ending {
    const { signal, maxUsd } = this.options;
    const events = this.#fold.spend();
    const aborted = signal.aborted ? { reason: reasonOf(signal.reason), infra: true } : undefined;
    let spend = brokenOff(events, ms, maxUsd);
    if (!work || "thrown" in work) {
      return { kind: "down", spend, ...(aborted ?? { reason: reasonOf(work?.thrown), infra: false }) };
    }
    try {
      const stated = (work.result as { spent?: unknown } | null | undefined)?.spent;
      spend = spentInAll(events, stated, ms, maxUsd);
      if (!aborted) return { kind: "done", spend, ...checkedResult(work.result) };
    } catch (error) {
      // A result that cannot be read, or is not one.
      if (!aborted) return { kind: "down", spend, reason: reasonOf(error), infra: false };
    }
    return { kind: "down", spend, ...aborted };
  }
}

/** Once, whatever becomes of it: the work has ended, and its end does not depend on it. */
async function tornDown(executor: Executor, graceMs: number): Promise<void> {
  const teardown = async (): Promise<void> => {
    await executor.teardown(graceMs);
  };
  await within(
    teardown().catch(() => {}),
    AbortSignal.abort(),
    () => graceMs,
  );
}

function isStream(answer: unknown): answer is AsyncIterable<never> {
  return typeof answer === "object" && answer !== null && Symbol.asyncIterator in answer;
}
