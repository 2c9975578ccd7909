/** What a worker process can be told to do, and what it answers. */
import type { Answer, EntryPoint, Operation } from "./operations.js";

/** Calls to make one after the other, each an autocommit statement. */
export interface CallsJob {
  readonly kind: "calls";
  readonly entryPoint: EntryPoint;
  readonly tenantId: string;
  /** One batch a call. */
  readonly batches: readonly (readonly Operation[])[];
}

/** Updates of one row of the table `floor`, each an autocommit statement: the least a call can cost. */
export interface UpdatesJob {
  readonly kind: "updates";
  readonly row: number;
  readonly count: number;
}

/** A transaction of the caller's own that applies operations and is never ended. */
export interface UnfinishedJob {
  readonly kind: "unfinished";
  readonly tenantId: string;
  readonly operations: readonly Operation[];
}

export type Job = CallsJob | UpdatesJob | UnfinishedJob;

/** How a job went. */
export interface Report {
  /** Answers in the order of the calls; none for updates. */
  readonly answers: readonly Answer[];
  /** SQLSTATEs of the failures after which a call was repeated. */
  readonly retries: readonly string[];
  /** When the first call was sent and the last one answered, by the machine's clock. */
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Calls a second of workers that were given their jobs at once. */
export function perSecond(reports: readonly Report[], calls: number): number {
  const startedAt = Math.min(...reports.map((report) => report.startedAt));
  const endedAt = Math.max(...reports.map((report) => report.endedAt));
  return Math.round((calls * 1_000) / (endedAt - startedAt));
}

/** To a worker: a job under a number, and where to do it. */
export interface Order {
  readonly number: number;
  readonly url: string;
  readonly job: Job;
}

/** From a worker. */
export type Reply =
  | { readonly number: number; readonly report: Report }
  | { readonly number: number; readonly failure: string };
