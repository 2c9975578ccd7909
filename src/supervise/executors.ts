/** Workers from plain functions. */
import { z } from "zod";
import { parse } from "../ledger/schemas.js";
import type { UsageEvent } from "../ledger/spend.js";
import type { Worker, WorkerContext } from "./agent.js";
import type { ExecutorResult, Verdict } from "./executor.js";

const made = z.strictObject({
  name: z.string(),
  run: z.custom((value) => typeof value === "function", { error: "must be a function: worker(name, run)" }),
});

/**
 * A worker that does its work in one call of `run`, which answers the result and all that was spent. It should stop when `signal`
 * aborts; what it throws ends the child `down`.
 * @throws {LedgerError} LG001 where it is given no name or no function.
 */
export function worker<Task>(
  name: string,
  run: (task: Task, signal: AbortSignal, context: WorkerContext) => ExecutorResult | Promise<ExecutorResult>,
  options: { readonly runtime?: string } = {},
): Worker<Task> {
  parse(made, { name, run }, "worker");
  const { runtime = "function" } = options;
  return {
    name,
    runtime,
    executor: (task, context) => ({
      runtime,
      execute: async (_task, signal) => run(task, signal, context),
      teardown: () => {},
    }),
  };
}

/** What a streaming worker made. What it spent is in its events. */
export interface StreamedResult {
  readonly out: unknown;
  readonly verdict?: Verdict;
  readonly outRef?: string;
}

/**
 * A worker that tells what it consumes as it happens: what it yielded before it broke off stays booked. It returns its result; its spend
 * is the sum of its events.
 * @throws {LedgerError} LG001 where it is given no name or no function.
 */
export function streamingWorker<Task>(
  name: string,
  run: (task: Task, signal: AbortSignal, context: WorkerContext) => AsyncGenerator<UsageEvent, StreamedResult, void>,
  options: { readonly runtime?: string } = {},
): Worker<Task> {
  parse(made, { name, run }, "worker");
  const { runtime = "stream" } = options;
  return {
    name,
    runtime,
    executor: (task, context) => {
      let result: StreamedResult | undefined;
      return {
        runtime,
        async *execute(_task, signal) {
          result = yield* streamOf(name, run(task, signal, context));
        },
        resultArtifact: () => ({ ...(result as StreamedResult), spent: {} }),
        teardown: () => {},
      };
    },
  };
}

/** What was answered, where it is a stream. @throws {TypeError} where it is none. */
function streamOf<T>(name: string, answer: T): T {
  if (typeof answer === "object" && answer !== null) {
    if (Symbol.asyncIterator in answer || Symbol.iterator in answer) return answer;
    // An async function is no generator, and what it rejects with would be nobody's.
    if (answer instanceof Promise) answer.catch(() => {});
  }
  throw new TypeError(
    `the function of the streaming worker ${name} is no generator: write async function* (or make it by worker, where it does not stream)`,
  );
}
