/**
 * Parts of messages -> tool spans, one decoder per harness. A decoder answers undefined for whatever is no finished tool call of its
 * harness, and never throws: a part is what somebody else wrote.
 */
import type { Harness, ToolSpan } from "./span.js";

/**
 * Reads one part. `at` (milliseconds since 1970, default now) stands for its times where it states none.
 */
export type ToolPartDecoder = (part: unknown, at?: number) => ToolSpan | undefined;

/** What a form reads: everything but the times that it does not state. */
type Read = Omit<ToolSpan, "start" | "end"> & { readonly start?: number; readonly end?: number };

/** A tool part in its last state. `input`, `output` and `error` are those of that state. */
function opencode(part: unknown): Read | undefined {
  const state = field(part, "state");
  const ended = text(field(state, "status"));
  const name = text(field(part, "tool"));
  if (field(part, "type") !== "tool" || !name || !ended || ended === "pending" || ended === "running") return undefined;
  const failed = ended === "error" || ended === "failed";
  return {
    name,
    args: field(state, "input"),
    status: failed ? "error" : "ok",
    ...(failed ? present("error", field(state, "error")) : present("result", field(state, "output"))),
    ...present("id", text(field(part, "callID"))),
    ...present("start", instant(field(field(state, "time"), "start"))),
    ...present("end", instant(field(field(state, "time"), "end"))),
  };
}

/** A block that asks for a tool. What became of it stands in another message, which has no part in this. */
function anthropic(part: unknown): Read | undefined {
  const name = text(field(part, "name")) ?? text(field(part, "tool"));
  if (field(part, "type") !== "tool_use" || !name) return undefined;
  const id = text(field(part, "id")) ?? text(field(part, "tool_use_id"));
  return { name, args: field(part, "input") ?? {}, ...present("id", id) };
}

/** A tool call of a chat completion. */
function openai(part: unknown): Read | undefined {
  const type = field(part, "type");
  const called = field(part, "function");
  const name = text(field(called, "name")) ?? text(field(part, "name"));
  if ((type !== "function" && type !== "tool_call") || !name) return undefined;
  const id = text(field(part, "id")) ?? text(field(called, "id"));
  return { name, args: parsed(field(called, "arguments") ?? field(part, "arguments")), ...present("id", id) };
}

/** The decoder of each harness. */
export const toolPartDecoders: Readonly<Record<Harness, ToolPartDecoder>> = {
  opencode: decoder(opencode),
  anthropic: decoder(anthropic),
  openai: decoder(openai),
  kimi: decoder((part) => anthropic(part) ?? openai(part)),
  codex: () => undefined,
};

const ANY = decoder((part) => opencode(part) ?? anthropic(part) ?? openai(part));

/** The tool span of a part, by the form of its harness; where that is not known, by the form that fits. */
export function decodeToolPart(part: unknown, harness?: Harness, at?: number): ToolSpan | undefined {
  const known = harness !== undefined && Object.hasOwn(toolPartDecoders, harness);
  return (known ? toolPartDecoders[harness] : ANY)(part, at);
}

function decoder(read: (part: unknown) => Read | undefined): ToolPartDecoder {
  return (part, at = Date.now()) => {
    try {
      const found = read(part);
      const start = found?.start ?? at;
      return found && { ...found, start, end: Math.max(start, found.end ?? at) };
    } catch {
      // A getter or a proxy of the part threw: it cannot be read.
      return undefined;
    }
  };
}

/** What stands under a key of an object, and nothing where it is no object. */
export function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

/** Text that says something. */
export function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function instant(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Without a key where there is nothing: undefined would be a statement. */
function present<K extends string, V>(key: K, value: V | undefined): { readonly [key in K]?: V } {
  return (value === undefined || value === null ? {} : { [key]: value }) as { readonly [key in K]?: V };
}

/** Arguments come as JSON text; what is not JSON stays the text it is. */
function parsed(args: unknown): unknown {
  if (typeof args !== "string") return args;
  try {
    return JSON.parse(args);
  } catch {
    return args;
  }
}
