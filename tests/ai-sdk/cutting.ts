/** Recorded streams, cut: what goes over the wire, and the SDK's own provider that reads it from there. */
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import type { LanguageModelV3 } from "@ai-sdk/provider";
import { between } from "../ledger/random.js";
import { anthropicUsage } from "../wire/anthropic.js";
import { FORMATS } from "../wire/formats.js";
import { usageOf } from "../wire/openai-chat.js";
import { RECORDINGS, type Recording } from "../wire/recordings.js";
import { wireText } from "../wire/saying.js";

/** The recordings, and such that state a cost or say nothing but their usage. */
export const CUT: readonly Recording[] = [
  ...RECORDINGS,
  {
    name: "a router's, with its cost",
    format: "openai-chat",
    model: "gpt-5-mini",
    says: { text: "Yes.", usage: usageOf(40, 2, { cost: 0.0123 }) },
  },
  { name: "nothing", format: "anthropic", model: "claude-opus-4-6", says: { usage: anthropicUsage(5, 1) } },
];

/** Who ends it: the provider, by a plain end, a broken connection or an error event; or the program. */
export const WAYS = ["end", "break", "error", "cancel", "abort", "abandon"] as const;
export type Way = (typeof WAYS)[number];

/** One stream to be cut. */
export interface Cut {
  readonly recording: Recording;
  readonly way: Way;
  /** The texts that are sent, event by event, the last of them perhaps in part. */
  readonly sent: readonly string[];
  /** The events of which every byte is sent. */
  readonly whole: readonly unknown[];
  /** After so many parts the program ends it, where it is the one that does. */
  readonly parts: number;
}

/** Cuts a recording at a random place in a random way. */
export function cutOf(random: () => number, recording: Recording): Cut {
  const way = WAYS[between(random, 0, WAYS.length - 1)] ?? "end";
  const events = FORMATS[recording.format].events(
    recording.says,
    { id: "rec-1", model: recording.model },
    { stream_options: { include_usage: true } },
  );
  const texts = events.map(wireText);
  const isOfProgram = way === "cancel" || way === "abort" || way === "abandon";
  const bytes = Buffer.from(texts.join(""));
  let left = isOfProgram ? bytes.length : between(random, 0, bytes.length);
  const sent: string[] = [];
  const whole: unknown[] = [];
  for (const [index, text] of texts.entries()) {
    if (left === 0) break;
    const part = Buffer.from(text).subarray(0, left);
    left -= part.length;
    sent.push(part.toString("latin1"));
    if (part.length === Buffer.byteLength(text)) whole.push(events[index]?.data);
  }
  if (way === "error") {
    // An error comes between events.
    sent.length = whole.length;
    sent.push(Buffer.from(wireText(errorEvent(recording))).toString("latin1"));
  }
  const told = whole.filter((event) => event !== "[DONE]");
  return { recording, way, sent, whole: told, parts: between(random, 0, texts.length * 2) };
}

function errorEvent({ format }: Recording) {
  const error = FORMATS[format].error("overloaded_error", "Overloaded");
  if (format !== "openai-responses")
    return { event: format === "anthropic" ? "error" : undefined, data: error } as never;
  return { event: "error", data: { type: "error", sequence_number: 99, ...error } };
}

/** The SDK's own provider of that format, over a connection that brings what is sent, and then ends as it does. */
export function modelOf({ recording: { format, model }, way, sent }: Cut): LanguageModelV3 {
  const fetch = async (_url: unknown, init?: RequestInit): Promise<Response> => {
    const waiting = [...sent];
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        init?.signal?.addEventListener("abort", () => controller.error(init.signal?.reason), { once: true });
      },
      pull(controller) {
        const text = waiting.shift();
        if (text !== undefined) controller.enqueue(Buffer.from(text, "latin1"));
        else if (way === "break") controller.error(new TypeError("terminated"));
        else controller.close();
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  const settings = { apiKey: "k", baseURL: "http://127.0.0.1:9/v1", fetch: fetch as typeof globalThis.fetch };
  if (format === "anthropic") return createAnthropic(settings)(model);
  return format === "openai-chat" ? createOpenAI(settings).chat(model) : createOpenAI(settings).responses(model);
}
