/**
 * Runs agents on the ledger: opens the run's pool, lets the root driver act in its scope, ends what it left at work, settles the run, and
 * answers what it came to, read from the views. What a process leaves behind when it is lost, the next one goes on with.
 */
import { LedgerError } from "../ledger/errors.js";
import type { Ledger } from "../ledger/ledger.js";
import { parse } from "../ledger/schemas.js";
import { type Agent, agentSchema } from "./agent.js";
import type { SupervisedResult } from "./result.js";
import { HookChain } from "./run/hook-chain.js";
import { live } from "./run/life.js";
import { findRun, startRun } from "./run/opening.js";
import { readResult } from "./run/reading-result.js";
import {
  type CheckedRun,
  type RunOptions,
  runOptions,
  type SupervisorOptions,
  supervisorOptions,
} from "./run/run-options.js";
import { type Decision, decisionKept } from "./run/verdict-of-run.js";
import { type Booking, bookCallsInDoubt } from "./scope/calls-in-doubt.js";

export type { RunOptions, SupervisorOptions } from "./run/run-options.js";

/** Runs drivers on one ledger. */
export interface Supervisor {
  /**
   * Runs a driver to its end. Resolves with a winner or with why there is none; both tell what was spent.
   *
   * With `resume`, a run that was started before goes on: its driver acts anew on what the ledger has of it; one that has ended answers
   * the same result, and nothing runs, but model calls that are still in doubt are booked as lost. A run whose `signal` has aborted
   * before its start is not opened.
   *
   * A run is for one process at a time. Where another is still at work on it, its children count as live here, and each settlement goes
   * to whichever of the drivers asks for it first. Where its children outlast the run (their leases are long), a result without a winner
   * names them as `never-settled` and leaked; the run's root stays open then, and a later resume can end it. A winner is answered only
   * once the root is settled so.
   * @throws {LedgerError} LG001 where an option is malformed; LG011 where the run exists and `resume` is not set; LG005 where it was
   *   started otherwise; refusals of the parent pool; `retryable` ones where the run has not ended, because the ledger could not be
   *   reached, or (LG007) because it has a winner and others hold children of it: resume the run.
   */
  run<Task, Value>(agent: Agent<Task, Value>, task: Task, options: RunOptions): Promise<SupervisedResult<Value>>;
}

/**
 * A supervisor.
 * @throws {LedgerError} LG001 where an option is malformed.
 */
export function createSupervisor(options: SupervisorOptions): Supervisor {
  parse(supervisorOptions, options, "options");
  const { ledger, ask } = options;
  return {
    async run<Task, Value>(agent: Agent<Task, Value>, task: Task, given: RunOptions) {
      parse(agentSchema, agent, "agent");
      const asked: CheckedRun = parse(runOptions, given, "options") as CheckedRun;
      const { runId, signal, teardownGraceMs } = asked;
      const there = await findRun(ledger, asked);
      const result = async (decision: Decision) => readResult<Value>(ledger, runId, decision);
      const hooks = new HookChain(options.hooks ?? [], options.onHookError);
      const emit: Booking["emit"] = (event) => hooks.emit({ ...event, timestamp: Date.now() });
      if (there && there.outcome !== null) {
        await bookCallsInDoubt({ ledger, runId, emit });
        await hooks.settled(teardownGraceMs);
        return result(await decisionKept(ledger, runId));
      }
      if (signal?.aborted) return result({ kind: "no-winner", reason: "aborted" });
      const found = there ?? (await startRun(ledger, asked));
      try {
        const resumed = there !== undefined;
        return await result(await live({ ledger, asked, found, resumed, agent, task, hooks, ask }));
      } catch (error) {
        const ended = await endedElsewhere(ledger, asked, error);
        if (!ended) throw error;
        return await result(ended);
      } finally {
        await hooks.settled(teardownGraceMs);
      }
    },
  };
}

/** Another process that ran the same run was faster to end it: its word is the run's. */
async function endedElsewhere(ledger: Ledger, { runId }: CheckedRun, error: unknown): Promise<Decision | undefined> {
  if (!(error instanceof LedgerError) || error.code !== "LG004") return undefined;
  return decisionKept(ledger, runId);
}
