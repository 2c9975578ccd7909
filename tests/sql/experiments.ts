/** Runs of experiments as tests write them. */
import type { Operation } from "./books.js";
import { meter, openRun } from "./builders.js";

/** Where a run stands; without a task and replicate it states none. */
export interface Place {
  readonly experiment?: string;
  readonly arm: string;
  readonly task?: string;
  readonly replicate?: string | number;
}

/** A run at the top that caps nothing. */
export function runOf(runId: string, place: Place, more: Operation = {}): Operation {
  return openRun(runId, {}, { run: { label: runId, experiment: "E", ...place }, ...more });
}

/** A run and what it spent. */
export function spentRun(runId: string, place: Place, fields: Operation, more: Operation = {}): Operation[] {
  return [runOf(runId, place, more), meter(runId, fields)];
}

/** A judgement. */
export function judge(runId: string, resolved: boolean, more: Operation = {}): Operation {
  return { op: "judge", run_id: runId, resolved, ...more };
}
