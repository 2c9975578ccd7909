/** What a cut stream has told until then, worked out from its events alone: each format in its own words. */
import type { WireFormat } from "../wire/formats.js";
import { digestOf } from "./books.js";

/** Counts by the ledger's names, whether they are all, dollars where they are stated, and tools with the digest of whole arguments. */
export interface Received {
  readonly counts: Readonly<Record<string, number>>;
  readonly known: boolean;
  readonly usd?: string;
  readonly tools: ReadonlyMap<string, { name: string; text: string; digest?: string }>;
  /** Whether the provider has said that this was all. */
  readonly complete: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: wire formats, written out by hand
type Event = any;

/** Reads those events. */
export function receivedIn(format: WireFormat, events: readonly Event[]): Received {
  return { "openai-chat": chat, "openai-responses": responses, anthropic: messages }[format](events);
}

const NOTHING = { counts: {}, known: false };

/** The arguments of the recorded tools have one canonical form: their keys in order, no spaces. */
function canonical(text: string): string {
  const value = JSON.parse(text);
  return JSON.stringify(Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))));
}

function chat(events: readonly Event[]): Received {
  const tools = new Map<string, { name: string; text: string; digest?: string }>();
  const byIndex: string[] = [];
  let complete = false;
  let told: Pick<Received, "counts" | "known" | "usd"> = NOTHING;
  for (const event of events) {
    for (const choice of event.choices ?? []) {
      for (const piece of choice.delta.tool_calls ?? []) {
        if (piece.id) {
          byIndex[piece.index] = piece.id;
          tools.set(piece.id, { name: piece.function.name, text: "" });
        }
        const tool = tools.get(byIndex[piece.index] ?? "");
        if (tool) tool.text += piece.function.arguments;
      }
      complete ||= choice.finish_reason !== null;
      if (complete) for (const tool of tools.values()) tool.digest = digestOf(canonical(tool.text));
    }
    if (!event.usage) continue;
    const { prompt_tokens, completion_tokens, prompt_tokens_details, completion_tokens_details, cost } = event.usage;
    told = {
      counts: {
        input_tokens: prompt_tokens,
        output_tokens: completion_tokens,
        cache_read_tokens: prompt_tokens_details?.cached_tokens ?? 0,
        reasoning_tokens: completion_tokens_details?.reasoning_tokens ?? 0,
      },
      known: true,
      ...(cost !== undefined && { usd: String(cost) }),
    };
  }
  return { ...told, tools, complete };
}

function responses(events: readonly Event[]): Received {
  const tools = new Map<string, { name: string; text: string; digest?: string }>();
  let told: Pick<Received, "counts" | "known"> = NOTHING;
  let complete = false;
  for (const { type, item, response } of events) {
    if (item?.type === "function_call") {
      const whole = type === "response.output_item.done" && { digest: digestOf(canonical(item.arguments)) };
      tools.set(item.call_id, { name: item.name, text: "", ...whole });
    }
    if (!/^response\.(completed|incomplete)$/.test(type)) continue;
    complete = true;
    const { input_tokens, output_tokens, input_tokens_details, output_tokens_details } = response.usage;
    const parts = {
      cache_read_tokens: input_tokens_details.cached_tokens,
      reasoning_tokens: output_tokens_details.reasoning_tokens,
    };
    told = { counts: { input_tokens, output_tokens, ...parts }, known: true };
  }
  return { ...told, tools, complete };
}

function messages(events: readonly Event[]): Received {
  const tools = new Map<string, { name: string; text: string; digest?: string }>();
  const blocks: string[] = [];
  let told: Pick<Received, "counts" | "known"> = NOTHING;
  let complete = false;
  for (const { type, message, usage, index, content_block: block, delta } of events) {
    if (block?.type === "tool_use") {
      blocks[index] = block.id;
      tools.set(block.id, { name: block.name, text: "" });
    }
    const tool = tools.get(blocks[index] ?? "");
    if (tool && delta?.partial_json) tool.text += delta.partial_json;
    if (tool && type === "content_block_stop") tool.digest = digestOf(canonical(tool.text));
    const said = message?.usage ?? usage;
    if (said) {
      const parts = {
        cache_read_tokens: said.cache_read_input_tokens,
        cache_write_tokens: said.cache_creation_input_tokens,
        reasoning_tokens: said.output_tokens_details?.thinking_tokens ?? 0,
      };
      // What is said at the start of the output is the least that it can be.
      const input_tokens = said.input_tokens + parts.cache_read_tokens + parts.cache_write_tokens;
      const isLast = type === "message_delta";
      if (!isLast && parts.reasoning_tokens > said.output_tokens) parts.reasoning_tokens = 0;
      told = { counts: { input_tokens, output_tokens: said.output_tokens, ...parts }, known: isLast };
    }
    complete ||= type === "message_stop";
  }
  return { ...told, tools, complete };
}
