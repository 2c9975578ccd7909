/** The tool parts in a message, wherever its harness puts them. */
import { field, type ToolPartDecoder, text } from "./decoders.js";
import type { ToolSpan } from "./span.js";

/** A part that says it is a tool call and that the decoder does not read, or that cannot be read at all. */
export const UNREAD = Symbol("unread");

/**
 * Where messages keep their parts: `parts` (opencode), `content` (Anthropic), `tool_calls` and `choices` (OpenAI, Kimi), `output` (OpenAI's
 * responses), `item` (Codex), and what those wrap who write messages down or send them as events.
 */
const HOLDERS = [
  ...["message", "messages", "parts", "part", "content", "tool_calls", "choices", "output", "item"],
  ...["data", "properties", "params", "payload"],
];

/** Messages of these hold what was answered to the model, not what it asked for. */
const NOT_THE_MODEL = new Set<unknown>(["user", "tool", "system", "developer", "function"]);
const ANSWERS = /(?:result|output)$/;
/** Calls in forms without a decoder: OpenAI's response items, Codex's items, calls of a stream whose arguments are still to come. */
const CALLS = /(?:^|[-_.])(?:call|tool_use)$|^ToolCall$|^(?:custom|command_execution|file_change|web_search)$/;

const DEEPEST = 12;
/** More values than this in one message are not looked at. */
const MOST_VALUES = 200_000;

/** The spans of the tool calls in a message, in order. `at` stands for their times where neither they nor the message state one. */
export function* spansOf(message: unknown, decode: ToolPartDecoder, at: number): Generator<ToolSpan | typeof UNREAD> {
  const room = { left: MOST_VALUES };
  if (isObject(message)) yield* walk(message, { decode, room, above: [] }, at);
  if (room.left <= 0) yield UNREAD;
}

interface Walk {
  readonly decode: ToolPartDecoder;
  readonly room: { left: number };
  /** What the value stands in: it may hold itself. */
  readonly above: readonly unknown[];
}

function* walk(value: object, way: Walk, at: number): Generator<ToolSpan | typeof UNREAD> {
  if (--way.room.left <= 0 || way.above.length > DEEPEST || way.above.includes(value)) return;
  const below: Walk = { ...way, above: [...way.above, value] };
  try {
    if (Array.isArray(value)) {
      for (const entry of value) {
        if (--way.room.left <= 0) return;
        if (isObject(entry)) yield* walk(entry, below, at);
      }
      return;
    }
    const type = text(field(value, "type")) ?? "";
    if (NOT_THE_MODEL.has(field(value, "role")) || ANSWERS.test(type)) return;
    const said = instantOf(field(value, "timestamp")) ?? at;
    const span = way.decode(value, said);
    if (span) yield span;
    else if (CALLS.test(type) && field(value, "part") === undefined) yield UNREAD;
    else {
      for (const key of HOLDERS) {
        const held = field(value, key);
        if (isObject(held)) yield* walk(held, below, said);
      }
    }
  } catch {
    yield UNREAD;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Milliseconds since 1970 of a time stamp: a number of them, or ISO 8601. */
function instantOf(value: unknown): number | undefined {
  const instant = typeof value === "string" ? Date.parse(value) : value;
  return typeof instant === "number" && Number.isFinite(instant) ? instant : undefined;
}
