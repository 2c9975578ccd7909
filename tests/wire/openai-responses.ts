/** Answers of a model in the format of OpenAI's responses: whole, or as the events of a stream. */
import { argumentsOf, type Head, halves, type Saying, type WireEvent } from "./saying.js";

/** A usage object as the Responses API puts it: tokens in and out, how much of each was cached or thought. */
export function responsesUsage(input: number, output: number, parts: { cached?: number; reasoning?: number } = {}) {
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: parts.cached ?? 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: parts.reasoning ?? 0 },
    total_tokens: input + output,
  };
}

/** A whole answer. */
export function responseOf(saying: Saying, head: Head): object {
  const status = saying.finish ?? "completed";
  return {
    ...headOf(saying, head),
    status,
    output: itemsOf(saying).map(({ whole }) => whole),
    incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
    ...(saying.usage !== undefined && { usage: saying.usage }),
  };
}

/** The same as a stream: what each item grows by in two pieces, and at the end the response as a whole, with its usage. */
export function responseEventsOf(saying: Saying, head: Head): WireEvent[] {
  const begun = {
    ...headOf(saying, head),
    status: "in_progress",
    output: [],
    incomplete_details: null,
    usage: null,
  };
  const status = saying.finish ?? "completed";
  const events = [
    { type: "response.created", response: begun },
    { type: "response.in_progress", response: begun },
    ...itemsOf(saying).flatMap(({ empty, whole, growth }, output_index) => [
      { type: "response.output_item.added", output_index, item: empty },
      ...growth.map((event) => ({ item_id: whole.id, output_index, ...event })),
      { type: "response.output_item.done", output_index, item: whole },
    ]),
    { type: `response.${status}`, response: responseOf(saying, head) },
  ];
  return events.map((event, sequence_number) => ({ event: event.type, data: { ...event, sequence_number } }));
}

/** An item of the output: whole, as it begins in a stream, and the events by which it grows there. */
interface Item {
  readonly whole: { readonly id: string };
  readonly empty: object;
  readonly growth: readonly { readonly type: string }[];
}

function itemsOf({ thinks, text, toolCalls = [] }: Saying): Item[] {
  const thought = thinks === undefined ? [] : [thinks];
  const said = text === undefined || text === null ? [] : [text];
  return [
    ...thought.map((text) => {
      const head = { id: "rs_0", type: "reasoning" };
      const at = { summary_index: 0 };
      const part = { type: "summary_text", text };
      return {
        whole: { ...head, summary: [part] },
        empty: { ...head, summary: [] },
        growth: [
          { type: "response.reasoning_summary_part.added", ...at, part: { ...part, text: "" } },
          ...halves(text).map((delta) => ({ type: "response.reasoning_summary_text.delta", ...at, delta })),
          { type: "response.reasoning_summary_text.done", ...at, text },
          { type: "response.reasoning_summary_part.done", ...at, part },
        ],
      };
    }),
    ...said.map((text) => {
      const head = { id: "msg_0", type: "message", role: "assistant" };
      const at = { content_index: 0 };
      const part = { type: "output_text", text, annotations: [], logprobs: [] };
      return {
        whole: { ...head, status: "completed", content: [part] },
        empty: { ...head, status: "in_progress", content: [] },
        growth: [
          { type: "response.content_part.added", ...at, part: { ...part, text: "" } },
          ...halves(text).map((delta) => ({ type: "response.output_text.delta", ...at, delta, logprobs: [] })),
          { type: "response.output_text.done", ...at, text, logprobs: [] },
          { type: "response.content_part.done", ...at, part },
        ],
      };
    }),
    ...toolCalls.map((call, index) => {
      const { name } = call;
      const head = { id: `fc_${index}`, type: "function_call", call_id: call.id ?? `call_${index}`, name };
      const written = argumentsOf(call);
      return {
        whole: { ...head, arguments: written, status: "completed" },
        empty: { ...head, arguments: "", status: "in_progress" },
        growth: [
          ...halves(written).map((delta) => ({ type: "response.function_call_arguments.delta", delta })),
          { type: "response.function_call_arguments.done", name, arguments: written },
        ],
      };
    }),
  ];
}

function headOf(saying: Saying, { id, model }: Head): object {
  return {
    id,
    object: "response",
    created_at: 1_700_000_000,
    model: saying.model ?? model,
    error: null,
    instructions: null,
    metadata: {},
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: "auto",
    tools: [],
    top_p: 1,
  };
}
