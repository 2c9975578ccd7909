/**
 * One life of a run: from its start, or its resumption, in this process until its end, or the end of this process. All that must outlive
 * it is in the ledger by the time that anybody could miss it.
 */
import type { Ledger } from "../../ledger/ledger.js";
import type { Agent } from "../agent.js";
import type { Mailbox } from "../mailbox.js";
import { bookCallsInDoubt } from "../scope/calls-in-doubt.js";
import { createScope, type LiveScope } from "../scope/live-scope.js";
import { LiveWorkers } from "../scope/live-workers.js";
import { isPassing } from "../scope/reasons.js";
import type { RunContext } from "../scope/run-context.js";
import { at, within } from "../scope/waiting.js";
import { answeredBy } from "./asking.js";
import { Breaker } from "./breaker.js";
import { isExhausted } from "./exhausted.js";
import type { HookChain } from "./hook-chain.js";
import { drain, othersEnded } from "./join.js";
import type { FoundRun } from "./opening.js";
import type { CheckedRun, SupervisorOptions } from "./run-options.js";
import { type Act, type Cause, type Decision, decide, heldByOthers, settleRoot } from "./verdict-of-run.js";

/** How long a run that is given up may take to book the ends of what it aborted. */
const BOOKING_MS = 5_000;

/** What a life is made of. */
export interface LifeOptions<Task> {
  readonly ledger: Ledger;
  readonly asked: CheckedRun;
  readonly found: FoundRun;
  readonly resumed: boolean;
  readonly agent: Agent<Task>;
  readonly task: Task;
  readonly hooks: HookChain;
  readonly ask: SupervisorOptions["ask"];
}

/**
 * Lives it. Answers what the run came to; its root is settled so. One without a winner is answered also where others still hold some of
 * its budget, and its root is left open.
 * @throws {LedgerError} `retryable` where the run has not ended: the ledger could not be reached, or it has a winner and others hold
 *   children of it, with which it may come to something else.
 */
export async function live<Task>(options: LifeOptions<Task>): Promise<Decision> {
  const life = new Life(options);
  try {
    return await life.live();
  } finally {
    life.end();
  }
}

class Life<Task> {
  readonly #options: LifeOptions<Task>;
  readonly #context: RunContext;
  readonly #breaker: Breaker;
  /** Ends what the driver does. */
  readonly #stopping = new AbortController();
  /** Ends what goes on beside the run. */
  readonly #over = new AbortController();
  /** What stopped the driver, as long as it was at work. */
  readonly #causes = new Set<Cause>();
  #acting = true;
  #forget: (() => void)[] = [];

  constructor(options: LifeOptions<Task>) {
    this.#options = options;
    const { ledger, asked, hooks } = options;
    const { runId, restarts } = asked;
    const tooMany = `more than ${restarts?.maxRestarts} children down within ${restarts?.withinMs} ms`;
    this.#breaker = new Breaker(ledger, runId, restarts, () => this.#stop("breaker", tooMany));
    this.#context = {
      ledger,
      runId,
      maxDepth: asked.maxDepth,
      maxLiveWorkers: asked.maxLiveWorkers,
      leaseMs: asked.leaseMs,
      graceMs: asked.teardownGraceMs,
      stalledMs: asked.stalledMs,
      workers: new LiveWorkers(ledger, runId, asked.maxLiveWorkers),
      emit: (event) => hooks.emit({ ...event, timestamp: Date.now() }),
      onDown: () => this.#breaker.note(),
    };
  }

  async live(): Promise<Decision> {
    const { ledger, asked, resumed } = this.#options;
    const { runId } = asked;
    if (resumed) {
      await bookCallsInDoubt(this.#context);
      await this.#breaker.check();
    }
    this.#follow();
    const scope = await createScope(this.#context, {
      nodeId: runId,
      depth: 0,
      signal: this.#stopping.signal,
      parentMailbox: this.#above(),
    });
    try {
      const act = await this.#act(scope);
      const causes = new Set(this.#causes);
      await this.#join(scope);
      await bookCallsInDoubt(this.#context);
      const exhausted = async (): Promise<boolean> => scope.starved || (await isExhausted(ledger, runId));
      const decision = await decide(ledger, runId, act, causes, exhausted, scope.verdict);
      const isEnded = await settleRoot(ledger, runId, decision);
      if (!isEnded && decision.kind === "winner") throw await heldByOthers(ledger, runId);
      return decision;
    } catch (error) {
      await this.#giveUp(scope);
      throw error;
    }
  }

  /** The ledger failed us. Nothing goes on unseen: what cannot be booked by then, leases end, and nobody renews them. */
  async #giveUp(scope: LiveScope): Promise<void> {
    const { ledger, asked } = this.#options;
    const drained = scope.drain("the run was given up", asked.teardownGraceMs).catch(() => {});
    // Work has its grace to stop, and another for its teardown.
    await within(drained, AbortSignal.abort(), () => 2 * asked.teardownGraceMs + BOOKING_MS);
    scope.close();
    ledger.pool(asked.runId).letLapse();
  }

  end(): void {
    this.#over.abort();
    for (const forget of this.#forget.splice(0)) forget();
  }

  /** From the moment that the driver has ended nothing stops it any more; what is still at work is. */
  async #act(scope: LiveScope): Promise<Act> {
    const { agent, task, asked } = this.#options;
    const acting = (async (): Promise<Act> => {
      try {
        return { value: await agent.act(task, scope) };
      } catch (thrown) {
        return { thrown };
      }
    })();
    const act = await within(acting, scope.signal, () => asked.teardownGraceMs);
    scope.close();
    // A ledger that could not be reached is nobody's failure: the run has not ended, and can be resumed.
    if (this.#causes.size === 0 && act && "thrown" in act && isPassing(act.thrown)) throw act.thrown;
    await this.#breaker.check();
    this.#acting = false;
    return act;
  }

  async #join(scope: LiveScope): Promise<void> {
    const { ledger, asked } = this.#options;
    const { signal } = this.#stopping;
    // The deadline, or an abort, ends this grace.
    if (!signal.aborted) await within(scope.settleWithin(asked.settleGraceMs), signal, () => 0);
    await drain(scope, signal.aborted ? signal.reason : "the run has ended", asked.teardownGraceMs);
    // A hold of a life that is over lapses within its lease; who aborted the run does not want to wait for that.
    const patience = signal.aborted ? asked.teardownGraceMs : Math.max(asked.teardownGraceMs, asked.leaseMs);
    // What this process could not book it does not keep alive either.
    ledger.pool(asked.runId).letLapse();
    await othersEnded(this.#context, patience);
  }

  #stop(cause: Cause, reason: unknown): void {
    if (this.#acting) this.#causes.add(cause);
    this.#stopping.abort(reason);
  }

  #follow(): void {
    const { asked, found } = this.#options;
    const { signal } = asked;
    if (found.deadlineAt) {
      this.#forget.push(at(found.deadlineAt.getTime(), () => this.#stop("deadline", "deadline-passed")));
    }
    if (!signal) return;
    const onAbort = (): void => this.#stop("aborted", signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    this.#forget.push(() => signal.removeEventListener("abort", onAbort));
  }

  #above(): Mailbox | undefined {
    const { ask } = this.#options;
    return ask && answeredBy(ask, this.#over.signal);
  }
}
