/** A trace watched as it comes, and read when it is there. Both say the same, because both are the same reading. */
import { z } from "zod";
import { parse } from "../../ledger/schemas.js";
import { TraceAnalysis } from "./analysis.js";
import { field, text } from "./decoders.js";
import { errorStreak, repeatedAction, type TraceDetector } from "./detectors.js";
import type { TraceFinding, TraceReport } from "./report.js";
import type { OnTraceError, TraceSource } from "./source.js";
import type { ToolSpan } from "./span.js";

/** How a trace is read. */
export interface AnalyzeTraceOptions {
  /** What is looked for. Default: `repeatedAction()` and `errorStreak()`. */
  readonly detectors?: readonly TraceDetector[] | undefined;
  /** Hears what `onFinding` or a detector throws or rejects with, and of what is no span. Default: a warning of the process. */
  readonly onError?: OnTraceError | undefined;
}

/** How a trace is watched. */
export interface WatchTraceOptions extends AnalyzeTraceOptions {
  /** Hears each finding while the span that makes it one is being pushed, or read. */
  readonly onFinding: (finding: TraceFinding) => unknown;
}

/** A watch that goes on. */
export interface TraceWatch {
  /** What was seen so far. */
  report(): TraceReport;
  /** What was seen when the trace had ended or the watch was stopped. Rejects with what reading the trace threw; nobody has to look. */
  readonly done: Promise<TraceReport>;
  /** Hears no more. */
  stop(): void;
}

const isFunction = (value: unknown): boolean => typeof value === "function";
const has = (value: unknown, key: PropertyKey): boolean =>
  typeof value === "object" && value !== null && isFunction((value as Record<PropertyKey, unknown>)[key]);

const listener = z.custom<(value: unknown) => unknown>(isFunction, { error: "must be a function" });
const detector = z.custom<TraceDetector>((value) => has(value, "start") && Boolean(text(field(value, "name"))), {
  error: "must have a name and a start()",
});
const source = z.custom<TraceSource>((value) => has(value, "subscribe") || has(value, Symbol.asyncIterator), {
  error: "must be a source of tool spans: something that can be subscribed to or iterated",
});
const options = z.strictObject({ detectors: z.array(detector).optional(), onError: listener.optional() });
const watchOptions = options.extend({ onFinding: listener });

/**
 * Watches a trace from its beginning, or from what is still kept of it, until it ends.
 * @throws {LedgerError} LG001 where it is no source, or an option is none.
 */
export function watchTrace(trace: TraceSource, how: WatchTraceOptions): TraceWatch {
  const { detectors = [repeatedAction(), errorStreak()], onError, onFinding } = parse(watchOptions, how, "options");
  const from = parse(source, trace, "source");
  return follow(from, new TraceAnalysis(detectors, { onError, onFinding }));
}

/**
 * Reads a trace to its end: a source, or a list of spans.
 * @throws {LedgerError} LG001 where it is neither, or an option is none; what reading the trace throws.
 */
export async function analyzeTrace(
  trace: TraceSource | Iterable<ToolSpan>,
  how: AnalyzeTraceOptions = {},
): Promise<TraceReport> {
  const { detectors = [repeatedAction(), errorStreak()], onError } = parse(options, how, "options");
  const analysis = new TraceAnalysis(detectors, { onError });
  if (!isList(trace)) return follow(parse(source, trace, "source"), analysis).done;
  for (const span of trace) analysis.see(span);
  return analysis.report({ available: true, unread: 0, missed: 0 });
}

function isList(trace: TraceSource | Iterable<ToolSpan>): trace is Iterable<ToolSpan> {
  return has(trace, Symbol.iterator) && !has(trace, "subscribe") && !has(trace, Symbol.asyncIterator);
}

function follow(trace: TraceSource, analysis: TraceAnalysis): TraceWatch {
  const missed = trace.missed ?? 0;
  const report = (): TraceReport =>
    analysis.report({ available: trace.harness !== "codex", unread: trace.unread ?? 0, missed });
  let leave = (): void => undefined;
  let stopped = false;
  let stop = (): void => undefined;
  const done = new Promise<TraceReport>((resolve, reject) => {
    stop = () => {
      if (stopped) return;
      stopped = true;
      leave();
      resolve(report());
    };
    const see = (span: ToolSpan): boolean => {
      if (!stopped) analysis.see(span);
      return !stopped;
    };
    if (typeof trace.subscribe === "function") {
      leave = trace.subscribe(see, stop);
    } else {
      const spans = trace[Symbol.asyncIterator]?.();
      // Not waited for: it answers when a span that was asked for has come, which may be never.
      leave = () => void Promise.resolve(spans?.return?.()).catch(() => undefined);
      read(spans, see).then(stop, reject);
    }
  });
  done.catch(() => undefined);
  return { report, done, stop };
}

async function read(spans: AsyncIterator<ToolSpan> | undefined, see: (span: ToolSpan) => boolean): Promise<void> {
  for (let next = await spans?.next(); next && !next.done; next = await spans?.next()) {
    if (!see(next.value)) return;
  }
}
