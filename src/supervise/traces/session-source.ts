/** The trace of a session that is there, or that is being written: its messages, read through the decoders. */
import { z } from "zod";
import { parse } from "../../ledger/schemas.js";
import { decodeToolPart, type ToolPartDecoder, toolPartDecoders } from "./decoders.js";
import { spansOf, UNREAD } from "./parts.js";
import { Sightings } from "./sightings.js";
import type { TraceSource } from "./source.js";
import { HARNESSES, type Harness, type ToolSpan } from "./span.js";

/** A session: its messages or parts, all at hand or as they come, or an object that holds them, such as the answer of an API. */
export type TraceSession = object | Iterable<unknown> | AsyncIterable<unknown>;

/** How a session is read. */
export interface SessionTraceOptions {
  /** Who wrote it. Where it is left out, each part is read by the form that fits. */
  readonly harness?: Harness | undefined;
}

const options = z.strictObject({ harness: z.enum(HARNESSES).optional() });
const session = z.custom<TraceSession>((value) => typeof value === "object" && value !== null, {
  error: "must be a list of messages or parts, or what yields them: a text has to be parsed before",
});

/**
 * The spans in a session, one per call id (its first sighting that is final), in the order of its messages. A list is read again by each who
 * iterates, a stream once. What the stream throws, the iteration throws.
 * @throws {LedgerError} LG001 where it is no session.
 */
export function sessionTraceSource(
  of: TraceSession,
  how: SessionTraceOptions = {},
): TraceSource & AsyncIterable<ToolSpan> & { readonly unread: number } {
  const { harness } = parse(options, how, "options");
  const messages = parse(session, of, "session");
  const decode: ToolPartDecoder = harness
    ? toolPartDecoders[harness]
    : (part, at) => decodeToolPart(part, undefined, at);
  let unread = 0;

  async function* read(): AsyncGenerator<ToolSpan> {
    const sightings = new Sightings();
    let unreadHere = 0;
    const spansIn = function* (message: unknown): Generator<ToolSpan> {
      for (const span of spansOf(message, decode, Date.now())) {
        if (span === UNREAD) unread = Math.max(unread, ++unreadHere);
        else if (sightings.first(span.id)) yield span;
      }
    };
    if (Symbol.asyncIterator in messages) {
      for await (const message of messages as AsyncIterable<unknown>) yield* spansIn(message);
    } else {
      // Not awaited: what a list holds may claim to be a promise.
      for (const message of Symbol.iterator in messages ? (messages as Iterable<unknown>) : [messages]) {
        yield* spansIn(message);
      }
    }
  }
  return {
    harness,
    get unread() {
      return unread;
    },
    [Symbol.asyncIterator]: read,
  };
}
