/** Every way in which the clients ask a model for an answer: the program's side of each, and what the provider says. */

import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { anthropicUsage } from "../wire/anthropic.js";
import { usageOf } from "../wire/openai-chat.js";
import { responsesUsage } from "../wire/openai-responses.js";
import type { Reply } from "../wire/server.js";
import type { Pair } from "./metered.js";

/** One way of calling. */
export interface Way {
  readonly name: string;
  /** What the program makes of the answer. */
  readonly call: (clients: Pair) => Promise<unknown>;
  readonly replies: readonly Reply[];
  /** Tokens of each call: in, out, read from the cache, written to it, reasoning. */
  readonly books: readonly (readonly number[])[];
}

const messages = [{ role: "user" as const, content: "Where is it?" }];
const chat = { model: "gpt-5-mini", messages, max_completion_tokens: 500 };
const answer = { model: "gpt-5", input: "Where is it?" };
const message = { model: "claude-opus-4-6", messages, max_tokens: 500 };
const Place = z.object({ city: z.string() });
const PLACE = JSON.stringify({ city: "Ulm" });

const chatUsage = usageOf(40, 12, {
  prompt_tokens_details: { cached_tokens: 32 },
  completion_tokens_details: { reasoning_tokens: 5 },
});
const CHAT = [40, 12, 32, 0, 5];
const ANSWER = [50, 20, 16, 0, 9];
const MESSAGE = [72, 31, 30, 12, 0];
const claudeUsage = anthropicUsage(30, 31, { cache_read_input_tokens: 30, cache_creation_input_tokens: 12 });
const says = (text: string): Reply => ({ says: { text, usage: chatUsage } });
const responds = (text: string): Reply => ({
  says: { text, usage: responsesUsage(50, 20, { cached: 16, reasoning: 9 }) },
});
const writes = (text: string): Reply => ({ says: { text, usage: claudeUsage } });
const lookUp = { toolCalls: [{ name: "look_up", arguments: { city: "Ulm" } }] };

async function all(stream: AsyncIterable<unknown>): Promise<unknown[]> {
  const pieces: unknown[] = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}

const chatTool = {
  type: "function" as const,
  function: { name: "look_up", function: () => "found", parse: JSON.parse, parameters: {}, description: "Looks up." },
};
const claudeTool = betaZodTool({ name: "look_up", description: "Looks up.", inputSchema: Place, run: () => "found" });

export const OPENAI_WAYS: readonly Way[] = [
  {
    name: "chat.completions.create",
    call: ({ openai }) => openai.chat.completions.create(chat),
    replies: [says("In Ulm.")],
    books: [CHAT],
  },
  {
    name: "chat.completions.create, streamed",
    call: async ({ openai }) => all(await openai.chat.completions.create({ ...chat, stream: true })),
    replies: [says("In Ulm.")],
    books: [CHAT],
  },
  {
    name: "chat.completions.create, streamed with its usage",
    call: async ({ openai }) =>
      all(await openai.chat.completions.create({ ...chat, stream: true, stream_options: { include_usage: true } })),
    replies: [says("In Ulm.")],
    books: [CHAT],
  },
  {
    name: "chat.completions.parse",
    call: async ({ openai }) => {
      const format = zodResponseFormat(Place, "place");
      return (await openai.chat.completions.parse({ ...chat, response_format: format })).choices[0]?.message.parsed;
    },
    replies: [says(PLACE)],
    books: [CHAT],
  },
  {
    name: "chat.completions.stream",
    call: ({ openai }) => openai.chat.completions.stream(chat).finalContent(),
    replies: [says("In Ulm.")],
    books: [CHAT],
  },
  {
    name: "chat.completions.runTools",
    call: ({ openai }) => openai.chat.completions.runTools({ ...chat, tools: [chatTool] }).finalContent(),
    replies: [{ says: { ...lookUp, usage: usageOf(9, 8) } }, says("In Ulm.")],
    books: [[9, 8, 0, 0, 0], CHAT],
  },
  {
    name: "chat.completions.runTools, streamed",
    call: ({ openai }) => openai.chat.completions.runTools({ ...chat, tools: [chatTool], stream: true }).finalContent(),
    replies: [{ says: { ...lookUp, usage: usageOf(9, 8) } }, says("In Ulm.")],
    books: [[9, 8, 0, 0, 0], CHAT],
  },
  {
    name: "chat.completions.create().withResponse()",
    call: async ({ openai }) => {
      const { data, response, request_id } = await openai.chat.completions.create(chat).withResponse();
      return [data, response.status, response.url.endsWith("/chat/completions"), request_id];
    },
    replies: [{ ...says("In Ulm."), headers: { "x-request-id": "req-7" } }],
    books: [CHAT],
  },
  {
    name: "chat.completions.create().asResponse()",
    call: async ({ openai }) => (await openai.chat.completions.create({ ...chat, stream: true }).asResponse()).text(),
    replies: [says("In Ulm.")],
    books: [CHAT],
  },
  {
    name: "completions.create",
    call: ({ openai }) => openai.completions.create({ model: "davinci-002", prompt: "It is", max_tokens: 9 }),
    replies: [
      {
        body: {
          id: "cmpl-1",
          model: "davinci-002",
          choices: [{ index: 0, text: " in Ulm", finish_reason: "stop" }],
          usage: usageOf(3, 2),
        },
      },
    ],
    books: [[3, 2, 0, 0, 0]],
  },
  {
    name: "embeddings.create",
    call: ({ openai }) =>
      openai.embeddings.create({ model: "text-embedding-3-small", input: "Ulm", encoding_format: "float" }),
    replies: [
      {
        body: {
          object: "list",
          model: "text-embedding-3-small",
          data: [{ index: 0, embedding: [0.5] }],
          usage: { prompt_tokens: 3, total_tokens: 3 },
        },
      },
    ],
    books: [[3, 0, 0, 0, 0]],
  },
  {
    name: "responses.create",
    call: ({ openai }) => openai.responses.create(answer),
    replies: [responds("In Ulm.")],
    books: [ANSWER],
  },
  {
    name: "responses.create, streamed",
    call: async ({ openai }) => all(await openai.responses.create({ ...answer, stream: true })),
    replies: [responds("In Ulm.")],
    books: [ANSWER],
  },
  {
    name: "responses.parse",
    call: async ({ openai }) =>
      (await openai.responses.parse({ ...answer, text: { format: zodTextFormat(Place, "place") } })).output_parsed,
    replies: [responds(PLACE)],
    books: [ANSWER],
  },
  {
    name: "responses.stream",
    call: async ({ openai }) => (await openai.responses.stream(answer).finalResponse()).output_text,
    replies: [responds("In Ulm.")],
    books: [ANSWER],
  },
  {
    name: "responses.compact",
    call: ({ openai }) => openai.responses.compact(answer),
    replies: [
      {
        body: {
          id: "resp-1",
          object: "response.compaction",
          output: [],
          usage: responsesUsage(50, 20, { cached: 16, reasoning: 9 }),
        },
      },
    ],
    books: [ANSWER],
  },
  {
    name: "post",
    call: ({ openai }) => openai.post("/chat/completions", { body: chat }),
    replies: [says("In Ulm.")],
    books: [CHAT],
  },
];

export const ANTHROPIC_WAYS: readonly Way[] = [
  {
    name: "messages.create",
    call: ({ anthropic }) => anthropic.messages.create(message),
    replies: [writes("In Ulm.")],
    books: [MESSAGE],
  },
  {
    name: "messages.create, streamed",
    call: async ({ anthropic }) => all(await anthropic.messages.create({ ...message, stream: true })),
    replies: [writes("In Ulm.")],
    books: [MESSAGE],
  },
  {
    name: "messages.stream",
    call: ({ anthropic }) => anthropic.messages.stream(message).finalText(),
    replies: [writes("In Ulm.")],
    books: [MESSAGE],
  },
  {
    name: "messages.parse",
    call: async ({ anthropic }) => {
      const parsed = await anthropic.messages.parse({ ...message, output_config: { format: zodOutputFormat(Place) } });
      return parsed.parsed_output;
    },
    replies: [writes(PLACE)],
    books: [MESSAGE],
  },
  {
    name: "messages.create().withResponse()",
    call: async ({ anthropic }) => {
      const { data, request_id } = await anthropic.messages.create(message).withResponse();
      return [data, request_id];
    },
    replies: [{ ...writes("In Ulm."), headers: { "request-id": "req-7" } }],
    books: [MESSAGE],
  },
  {
    name: "messages.create().asResponse()",
    call: async ({ anthropic }) => (await anthropic.messages.create({ ...message, stream: true }).asResponse()).text(),
    replies: [writes("In Ulm.")],
    books: [MESSAGE],
  },
  {
    name: "beta.messages.create",
    call: ({ anthropic }) => anthropic.beta.messages.create({ ...message, betas: ["files-api-2025-04-14"] }),
    replies: [writes("In Ulm.")],
    books: [MESSAGE],
  },
  {
    name: "beta.messages.stream",
    call: async ({ anthropic }) => (await anthropic.beta.messages.stream(message).finalMessage()).content,
    replies: [writes("In Ulm.")],
    books: [MESSAGE],
  },
  {
    name: "beta.messages.toolRunner",
    call: async ({ anthropic }) =>
      (await anthropic.beta.messages.toolRunner({ ...message, tools: [claudeTool], max_iterations: 4 })).content,
    replies: [{ says: { ...lookUp, usage: anthropicUsage(9, 8) } }, writes("In Ulm.")],
    books: [[9, 8, 0, 0, 0], MESSAGE],
  },
];

export const WAYS: readonly Way[] = [...OPENAI_WAYS, ...ANTHROPIC_WAYS];
