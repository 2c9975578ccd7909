/** The server speaks what the official clients understand: a streamed answer adds up to the whole one, and its errors are theirs. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { WireFormat } from "./formats.js";
import { RECORDINGS, type Recording } from "./recordings.js";
import { errorReply, WireServer } from "./server.js";

const messages = [{ role: "user" as const, content: "Go." }];
const ERRORS = [
  [400, OpenAI.BadRequestError, Anthropic.BadRequestError],
  [429, OpenAI.RateLimitError, Anthropic.RateLimitError],
  [500, OpenAI.InternalServerError, Anthropic.InternalServerError],
] as const;

let server: WireServer;
let openai: OpenAI;
let anthropic: Anthropic;

beforeEach(async () => {
  server = await WireServer.start([]);
  openai = new OpenAI({ baseURL: server.baseURL, apiKey: "key", maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: server.origin, apiKey: "key", maxRetries: 0 });
});
afterEach(() => server.stop());

/** What the client makes of an answer, whole and streamed. */
const ASK: Record<WireFormat, (model: string) => readonly [whole: Promise<unknown>, streamed: () => Promise<unknown>]> =
  {
    "openai-chat": (model) => [
      openai.chat.completions.create({ model, messages }).then(({ choices, usage }) => [choices[0]?.message, usage]),
      () => {
        const stream = openai.chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
        return stream.finalChatCompletion().then(({ choices, usage }) => [choices[0]?.message, usage]);
      },
    ],
    "openai-responses": (model) => [
      openai.responses.create({ model, input: "Go." }).then(({ output, usage, status }) => [output, usage, status]),
      () => {
        const stream = openai.responses.stream({ model, input: "Go." });
        return stream.finalResponse().then(({ output, usage, status }) => [output, usage, status]);
      },
    ],
    anthropic: (model) => [
      anthropic.messages.create({ model, messages, max_tokens: 9 }).then(({ content, usage }) => [content, usage]),
      () => {
        const stream = anthropic.messages.stream({ model, messages, max_tokens: 9 });
        return stream.finalMessage().then(({ content, usage }) => [content, usage]);
      },
    ],
  };

it.each(RECORDINGS)("$format, $name: the stream adds up to the whole", async ({ format, model, says }: Recording) => {
  server.follow([{ says }, { says }]);
  const [whole, streamed] = ASK[format](model);
  const answer = JSON.parse(JSON.stringify(await whole));
  expect(JSON.parse(JSON.stringify(await streamed()))).toMatchObject(answer);
  expect(server.bill.map(({ usage }) => usage)).toEqual(says.usage === undefined ? [] : [says.usage, says.usage]);
});

it.each(ERRORS)("an error of status %i", async (status, ofOpenAI, ofAnthropic) => {
  server.follow([
    errorReply("openai-chat", status),
    errorReply("openai-responses", status),
    errorReply("anthropic", status),
  ]);
  const failed = await Promise.all([
    ASK["openai-chat"]("m")[0].catch((error: unknown) => error),
    ASK["openai-responses"]("m")[0].catch((error: unknown) => error),
  ]);
  for (const error of failed) expect(error).toBeInstanceOf(ofOpenAI);
  expect(await ASK.anthropic("m")[0].catch((error: unknown) => error)).toBeInstanceOf(ofAnthropic);
});
