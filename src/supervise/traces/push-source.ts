/** A trace that a program pushes as it happens. Whoever subscribes, and whatever he does, the program goes on. */
import { z } from "zod";
import { parse } from "../../ledger/schemas.js";
import { Sightings } from "./sightings.js";
import { complain, type OnTraceError, type TraceSource, tell } from "./source.js";
import { HARNESSES, type Harness, type ToolSpan } from "./span.js";
import { NO_SPAN, spanOf } from "./span-of.js";

/** How a pushed trace behaves. */
export interface PushTraceOptions {
  readonly harness?: Harness | undefined;
  /** How many of the last spans, at least, are kept for those who subscribe later. Default 1,000. */
  readonly keep?: number | undefined;
  /** Hears what subscribers throw or reject with, and what was pushed that is no span. */
  readonly onError?: OnTraceError | undefined;
}

/** Both sides of a pushed trace. */
export interface PushTraceSource extends TraceSource {
  readonly missed: number;
  subscribe(onSpan: (span: ToolSpan) => unknown, onEnd?: () => unknown): () => void;
  /** Tells the subscribers, before it returns, of one call; a further span of the same id is left out. Never throws. */
  push(span: ToolSpan): void;
  /** There is no more to come. Never throws. */
  end(): void;
  /** The reading side alone, for those who only watch. */
  readonly source: TraceSource;
}

interface Subscriber {
  readonly onSpan: (span: ToolSpan) => unknown;
  readonly onEnd: (() => unknown) | undefined;
  /** Place of the span it hears next, counted from the first ever. */
  next: number;
  /** It is being told something: what is pushed meanwhile comes after that. */
  busy: boolean;
}

const options = z.strictObject({
  harness: z.enum(HARNESSES).optional(),
  keep: z.number().int().min(0).max(1_000_000).optional(),
  onError: z.custom<OnTraceError>((value) => typeof value === "function", { error: "must be a function" }).optional(),
});

/**
 * Makes one.
 * @throws {LedgerError} LG001 for options that are none.
 */
export function createPushTraceSource(how: PushTraceOptions = {}): PushTraceSource {
  const { harness, keep = 1_000, onError } = parse(options, how, "options");
  const sightings = new Sightings();
  const subscribers = new Set<Subscriber>();
  const kept: ToolSpan[] = [];
  let dropped = 0;
  let ended = false;

  const deliver = (to: Subscriber): void => {
    if (to.busy) return;
    to.busy = true;
    while (subscribers.has(to) && to.next < dropped + kept.length) {
      const span = kept[to.next++ - dropped];
      if (span) tell(() => to.onSpan(span), onError);
    }
    to.busy = false;
    if (ended && subscribers.delete(to) && to.onEnd) tell(to.onEnd, onError);
  };

  const trim = (): void => {
    if ([...subscribers].some(({ busy }) => busy)) return;
    const surplus = Math.max(0, kept.length - keep);
    // Not one by one: that would move all that are kept with every span.
    if (surplus > keep / 4) dropped += kept.splice(0, surplus).length;
  };

  const source = {
    harness,
    get missed() {
      return dropped;
    },
    subscribe(onSpan: Subscriber["onSpan"], onEnd?: () => unknown) {
      const subscriber: Subscriber = { onSpan, onEnd, next: dropped, busy: false };
      subscribers.add(subscriber);
      deliver(subscriber);
      return () => {
        subscribers.delete(subscriber);
      };
    },
  };
  return {
    ...source,
    get missed() {
      return dropped;
    },
    source,
    push(pushed) {
      const span = spanOf(pushed);
      if (ended) complain(new Error("a span was pushed after the end of its trace"), onError);
      else if (!span) complain(new TypeError(NO_SPAN), onError);
      else if (sightings.first(span.id)) {
        kept.push(span);
        for (const subscriber of [...subscribers]) deliver(subscriber);
        trim();
      }
    },
    end() {
      ended = true;
      for (const subscriber of [...subscribers]) deliver(subscriber);
    },
  };
}
