/** Tracing that cannot hurt: whatever a tracer or a span of somebody's throws, or rejects with, the run does not hear of it. */
import { types } from "node:util";
import { type Attributes, type Context, context, type Span, type SpanOptions, trace } from "@opentelemetry/api";

/** What a tracer must be able to do. */
export interface SpanMaker {
  startSpan(name: string, options?: SpanOptions, context?: Context): Span;
}

/** A span that may be missing, because its tracer failed. */
export class GuardedSpan {
  readonly #span: Span | undefined;
  readonly #above: Context;

  constructor(tracer: SpanMaker, name: string, options: SpanOptions, above: Context) {
    this.#above = above;
    this.#span = guarded(() => tracer.startSpan(name, options, above));
  }

  /** What spans below it are started in: without a span of our own, they go below the next one up. */
  get context(): Context {
    const span = this.#span;
    return (span && guarded(() => trace.setSpan(this.#above, span))) ?? this.#above;
  }

  set(attributes: Attributes): void {
    guarded(() => this.#span?.setAttributes(attributes));
  }

  /** Marks it as failed; the message is for people. */
  fail(code: number, message: string | undefined): void {
    guarded(() => this.#span?.setStatus({ code, ...(message !== undefined && { message }) }));
  }

  end(at: number): void {
    guarded(() => this.#span?.end(at));
  }
}

/** Does work with a context active, or without where that fails. */
export function withContext<T>(active: Context, work: () => Promise<T>): Promise<T> {
  let begun: Promise<T> | undefined;
  const once = (): Promise<T> => {
    begun ??= work();
    return begun;
  };
  guarded(() => context.with(active, once));
  return once();
}

/** What it answers, or nothing where it throws. A promise that it answers may reject: whoever waits for it hears that, nobody else. */
export function guarded<T>(work: () => T): T | undefined {
  try {
    const answer = work();
    if (types.isPromise(answer)) answer.catch(() => {});
    return answer;
  } catch {
    return undefined;
  }
}
