/** Calls as providers answer them, whole and streamed: with text, tools, reasoning, and cached prompts. For tests that cut them anywhere. */
import { anthropicUsage } from "./anthropic.js";
import { FORMATS, type WireFormat } from "./formats.js";
import { usageOf } from "./openai-chat.js";
import { responsesUsage } from "./openai-responses.js";
import { type Saying, type WireEvent, wireText } from "./saying.js";

/** One answer of a model. */
export interface Recording {
  readonly name: string;
  readonly format: WireFormat;
  readonly model: string;
  readonly says: Saying;
}

const SPOKEN = { text: "Der Äther ist „leer“ – 空の. 🌊", usage: undefined } satisfies Saying;
const TOOLS = {
  text: "Let me look.",
  toolCalls: [
    { name: "read_file", arguments: { path: "src/a.ts", lines: [1, 20] } },
    { name: "list_files", arguments: { folder: "src" } },
  ],
} satisfies Saying;
const THOUGHT = { thinks: "Two and two are four, as ever.", text: "Four." } satisfies Saying;

/** Every kind of answer in every format. */
export const RECORDINGS: readonly Recording[] = [
  { name: "text", format: "openai-chat", model: "gpt-5-mini", says: { ...SPOKEN, usage: usageOf(21, 17) } },
  {
    name: "tools, a cached prompt",
    format: "openai-chat",
    model: "gpt-5-mini",
    says: { ...TOOLS, usage: usageOf(1800, 64, { prompt_tokens_details: { cached_tokens: 1536 } }) },
  },
  {
    name: "reasoning",
    format: "openai-chat",
    model: "gpt-5-mini",
    says: { ...THOUGHT, usage: usageOf(30, 410, { completion_tokens_details: { reasoning_tokens: 384 } }) },
  },
  { name: "no usage", format: "openai-chat", model: "gpt-5-mini", says: SPOKEN },
  {
    name: "tools, a cached prompt",
    format: "openai-responses",
    model: "gpt-5",
    says: { ...TOOLS, usage: responsesUsage(1800, 64, { cached: 1536 }) },
  },
  {
    name: "reasoning",
    format: "openai-responses",
    model: "gpt-5",
    says: { ...THOUGHT, usage: responsesUsage(30, 410, { reasoning: 384 }) },
  },
  {
    name: "cut short by its limit",
    format: "openai-responses",
    model: "gpt-5",
    says: { ...SPOKEN, finish: "incomplete", usage: responsesUsage(21, 17) },
  },
  {
    name: "tools, a cached prompt",
    format: "anthropic",
    model: "claude-opus-4-6",
    says: {
      ...TOOLS,
      usage: anthropicUsage(12, 64, { cache_read_input_tokens: 1024, cache_creation_input_tokens: 256 }),
    },
  },
  {
    name: "reasoning",
    format: "anthropic",
    model: "claude-opus-4-6",
    says: { ...THOUGHT, usage: anthropicUsage(30, 410, { output_tokens_details: { thinking_tokens: 384 } }) },
  },
  { name: "text", format: "anthropic", model: "claude-opus-4-6", says: { ...SPOKEN, usage: anthropicUsage(21, 17) } },
];

/** The id of every recorded answer. */
export const RECORDED_ID = "rec-1";

/** The events of its stream; `withUsage`: as OpenAI's chat sends it where the usage is asked for. */
export function recordedEvents({ format, model, says }: Recording, withUsage = true): WireEvent[] {
  return FORMATS[format].events(says, { id: RECORDED_ID, model }, { stream_options: { include_usage: withUsage } });
}

/** The same as the texts that go over the wire, one per event. */
export function recordedTexts(recording: Recording, withUsage = true): string[] {
  return recordedEvents(recording, withUsage).map(wireText);
}

/** The body of the whole answer. */
export function recordedBody({ format, model, says }: Recording): object {
  return FORMATS[format].whole(says, { id: RECORDED_ID, model });
}
