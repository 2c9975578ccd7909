/** Random calls, and each as a provider of every format would tell it: as a whole answer, and as a stream. */
import fc from "fast-check";
import type { UsageFormat } from "../../src/usage/usage.js";

/** A call as it was. Tokens are disjoint: fresh, read and written make up the prompt, said and thought the output. */
export interface RandomCall {
  readonly fresh: number;
  readonly read: number;
  readonly written: number;
  readonly said: number;
  readonly thought: number;
  readonly tools: readonly {
    readonly name: string;
    readonly id: string;
    readonly args: Readonly<Record<string, unknown>>;
  }[];
  /** Where texts are cut into pieces. */
  readonly piece: number;
}

const tokens = fc.oneof(fc.constant(0), fc.nat(9), fc.nat(1_000_000));

const tool = fc.record({
  name: fc.stringMatching(/^[a-z_]{1,12}$/),
  id: fc.stringMatching(/^[a-z0-9]{8}$/),
  args: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.oneof(fc.string(), fc.integer(), fc.boolean()), {
    maxKeys: 3,
  }),
});

export const randomCall: fc.Arbitrary<RandomCall> = fc.record({
  fresh: tokens,
  read: tokens,
  written: tokens,
  said: tokens,
  thought: tokens,
  tools: fc.uniqueArray(tool, { maxLength: 3, selector: ({ id }) => id }),
  piece: fc.integer({ min: 1, max: 9 }),
});

/** A call as it is told. Its stream has come to its end with the event at place `end`; what follows is usage. */
export interface ToldCall {
  readonly body: unknown;
  readonly chunks: readonly unknown[];
  readonly end: number;
}

/** The call in the words of each format. */
export const TELLERS: Readonly<Record<UsageFormat, (call: RandomCall) => ToldCall>> = {
  "openai-chat": (call) => chat(call, {}),
  openrouter: (call) => chat(call, { cost: 0.25, is_byok: false }),
  "openai-responses": responses,
  anthropic,
  gemini,
  bedrock,
};

function pieces(text: string, size: number): string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, place) =>
    text.slice(place * size, (place + 1) * size),
  );
}

function chat(call: RandomCall, cost: object): ToldCall {
  const prompt = call.fresh + call.read + call.written;
  const completion = call.said + call.thought;
  const usage = {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: call.read, cache_write_tokens: call.written },
    completion_tokens_details: { reasoning_tokens: call.thought },
    ...cost,
  };
  const head = { id: "c1", model: "m" };
  const chunk = (delta: object, finish_reason: string | null = null) => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason }],
    usage: null,
  });
  const asked = call.tools.map(({ name, id, args }) => ({
    id,
    type: "function",
    function: { name, arguments: JSON.stringify(args) },
  }));
  const streamed = asked.flatMap(({ id, type, function: { name, arguments: text } }, index) => [
    chunk({ tool_calls: [{ index, id, type, function: { name, arguments: "" } }] }),
    ...pieces(text, call.piece).map((part) => chunk({ tool_calls: [{ index, function: { arguments: part } }] })),
  ]);
  const chunks = [
    chunk({ role: "assistant", content: "" }),
    ...streamed,
    chunk({}, "stop"),
    { ...head, choices: [], usage },
  ];
  const choice = { index: 0, message: { role: "assistant", content: null, tool_calls: asked }, finish_reason: "stop" };
  return { body: { ...head, choices: [choice], usage }, chunks, end: chunks.length - 2 };
}

function responses(call: RandomCall): ToldCall {
  const prompt = call.fresh + call.read + call.written;
  const usage = {
    input_tokens: prompt,
    input_tokens_details: { cached_tokens: call.read, cache_write_tokens: call.written },
    output_tokens: call.said + call.thought,
    output_tokens_details: { reasoning_tokens: call.thought },
    total_tokens: prompt + call.said + call.thought,
  };
  const output = call.tools.map(({ name, id, args }) => ({
    type: "function_call",
    id: `fc_${id}`,
    call_id: id,
    name,
    arguments: JSON.stringify(args),
  }));
  const body = { id: "c1", model: "m", status: "completed", output, usage };
  const chunks = [
    { type: "response.created", response: { ...body, status: "in_progress", output: [], usage: null } },
    ...output.flatMap((item, output_index) => [
      { type: "response.output_item.added", output_index, item: { ...item, arguments: "" } },
      ...pieces(item.arguments, call.piece).map((delta) => ({
        type: "response.function_call_arguments.delta",
        output_index,
        delta,
      })),
      { type: "response.output_item.done", output_index, item },
    ]),
    { type: "response.completed", response: body },
  ];
  return { body, chunks, end: chunks.length - 1 };
}

function anthropic(call: RandomCall): ToldCall {
  const prompt = {
    input_tokens: call.fresh,
    cache_read_input_tokens: call.read,
    cache_creation_input_tokens: call.written,
    cache_creation: { ephemeral_5m_input_tokens: call.written, ephemeral_1h_input_tokens: 0 },
  };
  const output = { output_tokens: call.said + call.thought, output_tokens_details: { thinking_tokens: call.thought } };
  const head = { id: "c1", model: "m", type: "message" };
  const content = call.tools.map(({ name, id, args }) => ({ type: "tool_use", id, name, input: args }));
  const chunks = [
    {
      type: "message_start",
      message: { ...head, content: [], usage: { ...prompt, output_tokens: Math.min(1, output.output_tokens) } },
    },
    ...content.flatMap((block, index) => [
      { type: "content_block_start", index, content_block: { ...block, input: {} } },
      ...pieces(JSON.stringify(block.input), call.piece).map((partial_json) => ({
        type: "content_block_delta",
        index,
        delta: { type: "input_json_delta", partial_json },
      })),
      { type: "content_block_stop", index },
    ]),
    { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: output },
    { type: "message_stop" },
  ];
  return {
    body: { ...head, content, stop_reason: "end_turn", usage: { ...prompt, ...output } },
    chunks,
    end: chunks.length - 1,
  };
}

function gemini(call: RandomCall): ToldCall {
  const promptTokenCount = call.fresh + call.read;
  const counted = (said: number, thought: number) => ({
    promptTokenCount,
    cachedContentTokenCount: call.read,
    toolUsePromptTokenCount: call.written,
    ...(said > 0 && { candidatesTokenCount: said }),
    ...(thought > 0 && { thoughtsTokenCount: thought }),
    totalTokenCount: promptTokenCount + call.written + said + thought,
  });
  const answer = (parts: readonly object[], usageMetadata: object, finishReason?: string) => ({
    responseId: "c1",
    modelVersion: "m",
    candidates: [{ content: { parts, role: "model" }, ...(finishReason && { finishReason }) }],
    usageMetadata,
  });
  const parts = call.tools.map(({ name, id, args }) => ({ functionCall: { id, name, args } }));
  const whole = counted(call.said, call.thought);
  // Thoughts come first, then what is said.
  const steps = parts.map((part, place) => answer([part], counted(Math.min(place, call.said), call.thought)));
  const chunks = [answer([{ text: "" }], counted(0, 0)), ...steps, answer([{ text: "." }], whole, "STOP")];
  return { body: answer(parts, whole, "STOP"), chunks, end: chunks.length - 1 };
}

function bedrock(call: RandomCall): ToldCall {
  const usage = {
    inputTokens: call.fresh,
    outputTokens: call.said + call.thought,
    totalTokens: call.fresh + call.read + call.written + call.said + call.thought,
    cacheReadInputTokens: call.read,
    cacheWriteInputTokens: call.written,
  };
  const content = call.tools.map(({ name, id, args }) => ({ toolUse: { toolUseId: id, name, input: args } }));
  const chunks = [
    { messageStart: { role: "assistant" } },
    ...content.flatMap(({ toolUse: { toolUseId, name, input } }, contentBlockIndex) => [
      { contentBlockStart: { start: { toolUse: { toolUseId, name } }, contentBlockIndex } },
      ...pieces(JSON.stringify(input), call.piece).map((part) => ({
        contentBlockDelta: { delta: { toolUse: { input: part } }, contentBlockIndex },
      })),
      { contentBlockStop: { contentBlockIndex } },
    ]),
    { messageStop: { stopReason: "end_turn" } },
    { metadata: { usage, metrics: { latencyMs: 1 } } },
  ];
  return {
    body: { output: { message: { role: "assistant", content } }, stopReason: "end_turn", usage },
    chunks,
    end: chunks.length - 1,
  };
}
