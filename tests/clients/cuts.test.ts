/**
 * Every recorded stream, broken off after each of its events, by its end and by a lost connection: booked is what was received, worked out
 * here from the events alone, and the program sees what it would see without a ledger.
 */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { expect, it } from "vitest";
import { meterAnthropic } from "../../src/clients/anthropic.js";
import { meterOpenAI } from "../../src/clients/openai.js";
import { RECORDINGS, type Recording, recordedEvents } from "../wire/recordings.js";
import { type WireEvent, wireText } from "../wire/saying.js";
import { type Pair, type Settled, settled, useMetered } from "./metered.js";

const meter = useMetered();

type Break = "end" | "cut";

/** A provider that sends so many events; asked without the usage of a stream, it leaves its piece out. */
function sending(recording: Recording, events: number, by: Break): typeof fetch {
  return async (_url, init) => {
    const asked = JSON.parse(String(init?.body));
    const withUsage = recording.format !== "openai-chat" || asked.stream_options?.include_usage === true;
    const texts = recordedEvents(recording)
      .slice(0, events)
      .filter((event) => withUsage || !tellsUsage(event));
    const encoder = new TextEncoder();
    const source = (async function* () {
      for (const text of texts) yield encoder.encode(wireText(text));
      if (by === "cut") throw new TypeError("terminated");
    })();
    return new Response(ReadableStream.from(source), { headers: { "content-type": "text/event-stream" } });
  };
}

function tellsUsage({ data }: WireEvent): boolean {
  const { choices, usage } = data as { choices?: readonly unknown[]; usage?: object | null };
  return choices?.length === 0 && Boolean(usage);
}

/** What a program sees of a stream: pieces and the error. */
async function seen({ openai, anthropic }: Pair, { format, model }: Recording): Promise<unknown[]> {
  const messages = [{ role: "user" as const, content: "Go." }];
  const pieces: unknown[] = [];
  try {
    const stream: AsyncIterable<unknown> =
      format === "anthropic"
        ? await anthropic.messages.create({ model, messages, max_tokens: 999, stream: true })
        : format === "openai-chat"
          ? await openai.chat.completions.create({ model, messages, stream: true })
          : await openai.responses.create({ model, input: "Go.", stream: true });
    for await (const piece of stream) pieces.push(piece);
  } catch (error) {
    pieces.push(`${(error as Error).name}: ${(error as Error).message}`);
  }
  return pieces;
}

interface Counts {
  readonly [name: string]: unknown;
  readonly usage?: Counts;
}

/** What so much of the stream says of its usage: in, out, cache read, cache write, reasoning; and whether it is the last word. */
const RECEIVED: Record<
  Recording["format"],
  (events: readonly Counts[]) => readonly [tokens: number[], known: boolean]
> = {
  "openai-chat": (events) => {
    const usage = events.find((event) => event.usage)?.usage;
    if (!usage) return [[0, 0, 0, 0, 0], false];
    const { prompt_tokens, completion_tokens, prompt_tokens_details: read, completion_tokens_details: thought } = usage;
    const parts = [(read as Counts)?.cached_tokens, 0, (thought as Counts)?.reasoning_tokens];
    return [[prompt_tokens, completion_tokens, ...parts].map((count) => Number(count ?? 0)), true];
  },
  "openai-responses": (events) => {
    const last = events.at(-1)?.response as Counts | undefined;
    if (!last?.usage) return [[0, 0, 0, 0, 0], false];
    const { input_tokens, output_tokens, input_tokens_details: read, output_tokens_details: thought } = last.usage;
    const parts = [(read as Counts).cached_tokens, 0, (thought as Counts).reasoning_tokens];
    return [[input_tokens, output_tokens, ...parts].map(Number), true];
  },
  anthropic: (events) => {
    const start = (events[0]?.message as Counts | undefined)?.usage;
    if (!start) return [[0, 0, 0, 0, 0], false];
    const { input_tokens, cache_read_input_tokens: read, cache_creation_input_tokens: written } = start;
    const end = events.find(({ type }) => type === "message_delta")?.usage;
    const said = end ?? start;
    const thought = (said.output_tokens_details as Counts | undefined)?.thinking_tokens ?? 0;
    const input = Number(input_tokens) + Number(read) + Number(written);
    // Before the end of it, an output of one token has no such part.
    const reasoning = end ? Number(thought) : 0;
    return [[input, Number(said.output_tokens), Number(read), Number(written), reasoning], end !== undefined];
  },
};

/** The type of the event that is the last word on the answer, by its place from the end. */
const ENDS: Record<Recording["format"], (recording: Recording) => number> = {
  // Why it ended; then its usage where there is one, and the mark.
  "openai-chat": ({ says }) => (says.usage === undefined ? 2 : 3),
  "openai-responses": () => 1,
  anthropic: () => 1,
};

function expected(recording: Recording, count: number, by: Break): Omit<Settled, "label" | "toolCalls"> {
  const all = recordedEvents(recording);
  const received = all.slice(0, count).map(({ data }) => data as Counts);
  const [tokens, known] = RECEIVED[recording.format](received);
  const isWhole = count > all.length - ENDS[recording.format](recording);
  const provider = recording.format === "anthropic" ? "anthropic" : "openai";
  const reason = isWhole ? null : by === "cut" ? "TypeError" : "the answer broke off";
  const how = { outcome: isWhole ? "done" : "down", purpose: isWhole ? "turn" : "failed", reason };
  return { ...how, provider, model: recording.model, tokens, known };
}

it.each(["openai-chat", "openai-responses", "anthropic"] as const)("%s", async (format) => {
  const metered = await meter([]);
  const { pool } = metered;
  const cuts = RECORDINGS.filter((recording) => recording.format === format).flatMap((recording) =>
    Array.from({ length: recordedEvents(recording).length + 1 }, (_, count) => count).flatMap((count) =>
      (["end", "cut"] as const).map((by) => ({ recording, count, by, label: `${recording.name}: ${count}, ${by}` })),
    ),
  );
  await Promise.all(
    cuts.map(async ({ recording, count, by, label }) => {
      const made = {
        apiKey: "key",
        baseURL: metered.server.origin,
        maxRetries: 0,
        fetch: sending(recording, count, by),
      };
      const plain = { openai: new OpenAI(made), anthropic: new Anthropic(made) };
      const openai = meterOpenAI(plain.openai, pool, { label });
      const anthropic = meterAnthropic(plain.anthropic, pool, { label });
      expect(await seen({ openai, anthropic }, recording), label).toEqual(await seen(plain, recording));
    }),
  );
  const booked = new Map((await settled(metered)).map(({ label, toolCalls: _, ...row }) => [label, row]));
  expect(booked.size).toBe(cuts.length);
  for (const { recording, count, by, label } of cuts) {
    expect(booked.get(label), label).toEqual(expected(recording, count, by));
  }
  expect((await pool.readout()).reservedTokens).toBe(0);
});
