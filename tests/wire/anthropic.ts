/** Answers of a model in the format of Anthropic's messages: whole, or as the events of a stream. */
import { argumentsOf, type Head, halves, type Saying, type WireEvent } from "./saying.js";

/** A usage object as Anthropic puts it: the part of the prompt that no cache had, output, and what else is given. */
export function anthropicUsage(input: number, output: number, more: object = {}): object {
  return {
    input_tokens: input,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: output,
    ...more,
  };
}

/** A whole answer. */
export function messageOf(saying: Saying, head: Head): object {
  return {
    ...headOf(saying, head),
    content: blocksOf(saying).map(({ whole }) => whole),
    stop_reason: stopOf(saying),
    stop_sequence: null,
    ...(saying.usage !== undefined && { usage: saying.usage }),
  };
}

/**
 * The same as a stream: the message begins with the usage of the prompt and an output of 1, each block begins, grows by two pieces and
 * ends, and the end tells the usage of the whole.
 */
export function messageEventsOf(saying: Saying, head: Head): WireEvent[] {
  const { usage } = saying;
  const begun = usage === undefined ? {} : { usage: { ...(usage as object), output_tokens: 1 } };
  const message = { ...headOf(saying, head), content: [], stop_reason: null, stop_sequence: null, ...begun };
  return [
    { type: "message_start", message },
    { type: "ping" },
    ...blocksOf(saying).flatMap(({ empty, deltas }, index) => [
      { type: "content_block_start", index, content_block: empty },
      ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
      { type: "content_block_stop", index },
    ]),
    {
      type: "message_delta",
      delta: { stop_reason: stopOf(saying), stop_sequence: null },
      ...(usage !== undefined && { usage }),
    },
    { type: "message_stop" },
  ].map((data) => ({ event: data.type, data }));
}

/** A block of the content: whole, as it begins in a stream, and how it grows there. */
interface Block {
  readonly whole: object;
  readonly empty: object;
  readonly deltas: readonly object[];
}

function blocksOf({ thinks, text, toolCalls = [] }: Saying): Block[] {
  const signature = "c2lnbmVk";
  const thought = thinks === undefined ? [] : [thinks];
  const said = text === undefined || text === null ? [] : [text];
  return [
    ...thought.map((thinking) => ({
      whole: { type: "thinking", thinking, signature },
      empty: { type: "thinking", thinking: "", signature: "" },
      deltas: [
        ...halves(thinking).map((half) => ({ type: "thinking_delta", thinking: half })),
        { type: "signature_delta", signature },
      ],
    })),
    ...said.map((text) => ({
      whole: { type: "text", text },
      empty: { type: "text", text: "" },
      deltas: halves(text).map((half) => ({ type: "text_delta", text: half })),
    })),
    ...toolCalls.map((call, index) => {
      const head = { type: "tool_use", id: call.id ?? `toolu_${index}`, name: call.name };
      const written = argumentsOf(call);
      return {
        whole: { ...head, input: JSON.parse(written) },
        empty: { ...head, input: {} },
        deltas: halves(written).map((partial_json) => ({ type: "input_json_delta", partial_json })),
      };
    }),
  ];
}

function headOf(saying: Saying, { id, model }: Head): object {
  return { id, type: "message", role: "assistant", model: saying.model ?? model };
}

function stopOf({ finish, toolCalls = [] }: Saying): string | null {
  return finish === undefined ? (toolCalls.length > 0 ? "tool_use" : "end_turn") : finish;
}
