/**
 * Ids of an import of results. They follow from experiment, arm, task and replicate alone, so that the same line asks the same again
 * and another figure is told apart.
 */
import { createHash } from "node:crypto";
import { keyOf } from "./read.js";
import type { Line } from "./shapes.js";

const PREFIX = "arms:";

/** The longest id of a run that leaves room for what operation ids put around it, within 200 characters. */
const LONGEST = 180;

/**
 * `<experiment>/<arm>/<task>`, and `/<replicate>` where there is one: it is the run's, the node's and the pool's. What holds `/` or `%`
 * is escaped, so the parts can be told apart. One that would be too long is `arms:<digest>`, which has no `/` and so meets no other.
 */
export function runId(line: Line): string {
  const { experiment, arm, task, replicate } = line;
  const parts = [experiment, arm, task, ...(replicate === undefined ? [] : [replicate])];
  const id = parts.map((part) => part.replace(/[%/]/g, encodeURIComponent)).join("/");
  return id.length <= LONGEST ? id : PREFIX + createHash("sha256").update(keyOf(line)).digest("base64url");
}

/** What an operation of a run is for. */
export type Step = "opened" | "metered" | "judged" | "closed";

/** The operation that does it. */
export const operationId = (run: string, step: Step): string => `${PREFIX}${run}:${step}`;
