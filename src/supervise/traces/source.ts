/** Where the spans of one agent come from: pushed as they happen, or read one after another. */
import type { Harness, ToolSpan } from "./span.js";

/**
 * The tool spans of one agent, one per call. It can be subscribed to, iterated, or both; a watcher subscribes where it can.
 */
export interface TraceSource {
  /** Who wrote the trace, where that is known. */
  readonly harness?: Harness | undefined;
  /** How many spans there were that somebody who begins now does not hear any more. */
  readonly missed?: number;
  /** How many tool calls were seen, as far as it was read, in forms that the harness's decoder does not read. */
  readonly unread?: number;
  /**
   * Hears every span, those first that are still kept, and then the end. What it throws or rejects with is its own affair. Answers
   * what ends the subscription.
   */
  subscribe?(onSpan: (span: ToolSpan) => unknown, onEnd?: () => unknown): () => void;
  [Symbol.asyncIterator]?(): AsyncIterator<ToolSpan>;
}

/** Hears what somebody who listens did wrong. What it does wrong itself nobody hears. Default: a warning of the process. */
export type OnTraceError = (error: unknown) => unknown;

/** Calls one who listens: what he throws or rejects with goes to `onError`, and no further. */
export function tell(listener: () => unknown, onError: OnTraceError = warn): void {
  try {
    const answer = listener();
    if (isThenable(answer)) Promise.resolve(answer).then(undefined, (error) => complain(error, onError));
  } catch (error) {
    complain(error, onError);
  }
}

/** Tells him who hears of mistakes. */
export function complain(error: unknown, onError: OnTraceError = warn): void {
  try {
    const answer = onError(error);
    if (isThenable(answer)) Promise.resolve(answer).then(undefined, () => undefined);
  } catch {}
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? String(error.stack) : String(error), "TraceWarning");
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
