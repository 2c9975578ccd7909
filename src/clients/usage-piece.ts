/**
 * The piece of a stream that tells usage and nothing else, taken out of one whose program did not ask for it: programs take the first
 * choice of every piece, and this one has none. All other bytes pass unchanged, each event when it is whole.
 */
import { createParser } from "eventsource-parser";

const CR = 13;
const LF = 10;

/** Bytes of an event that are kept back at most: the piece looked for is a small one. */
const MOST_KEPT = 64 * 1024;

/** Takes the bytes of a stream and gives those of its events, less that piece, each time on a buffer of their own. */
export function usagePiecesOut(): { add(bytes: Uint8Array): Uint8Array; rest(): Uint8Array } {
  let kept: Uint8Array[] = [];
  let size = 0;
  let isLong = false;
  let isLineEmpty = true;
  let last = 0;
  /** What became of the event that has just ended with a CR: an LF after it goes the same way. */
  let justEnded: "given" | "dropped" | undefined;

  /** Whether the byte ends an event: it ends an empty line. The LF of a CR LF belongs to the line before. */
  const endsEvent = (byte: number): boolean => {
    const isSecond = byte === LF && last === CR;
    last = byte;
    if (isSecond) return false;
    const isEnd = byte === LF || byte === CR;
    const ends = isEnd && isLineEmpty;
    isLineEmpty = isEnd;
    return ends;
  };
  const keep = (bytes: Uint8Array): void => {
    if (bytes.byteLength === 0) return;
    kept.push(bytes);
    size += bytes.byteLength;
  };
  const taken = (): Uint8Array => {
    const event = joined(kept);
    const isUsage = !isLong && tellsUsageAlone(event);
    kept = [];
    size = 0;
    isLong = false;
    justEnded = isUsage ? "dropped" : "given";
    return isUsage ? new Uint8Array() : event;
  };
  return {
    add: (bytes) => {
      const out: Uint8Array[] = [];
      let from = 0;
      for (let at = 0; at < bytes.byteLength; at += 1) {
        const byte = bytes[at] ?? 0;
        const isOfEnded = justEnded !== undefined && byte === LF && last === CR;
        const ends = endsEvent(byte);
        if (isOfEnded) {
          if (justEnded === "given") out.push(bytes.subarray(at, at + 1));
          from = at + 1;
        }
        justEnded = undefined;
        if (!ends) continue;
        keep(bytes.subarray(from, at + 1));
        out.push(taken());
        from = at + 1;
      }
      keep(bytes.subarray(from));
      if (isLong || size > MOST_KEPT) {
        isLong = true;
        out.push(...kept);
        kept = [];
        size = 0;
      }
      return joined(out);
    },
    rest: taken,
  };
}

/** A copy in one piece; not `Buffer.concat`, whose small ones are pieces of a buffer that others use. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/** Whether an event is a piece without choices whose usage is stated. */
function tellsUsageAlone(event: Uint8Array): boolean {
  const text = new TextDecoder().decode(event);
  if (!text.includes('"usage"')) return false;
  let found = false;
  const parser = createParser({
    onEvent: ({ data }) => {
      found = isUsageAlone(data);
    },
  });
  parser.feed(`${text.trimStart()}\n\n`);
  return found;
}

function isUsageAlone(data: string): boolean {
  try {
    const { choices, usage } = JSON.parse(data) ?? {};
    return Array.isArray(choices) && choices.length === 0 && typeof usage === "object" && usage !== null;
  } catch {
    return false;
  }
}
