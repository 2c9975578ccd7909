/** Answers of a model as an OpenAI-compatible endpoint puts them: whole, or as the pieces of a stream. */

/** A tool call of the model. */
export interface SaidCall {
  readonly id?: string;
  readonly name: string;
  /** The text itself, or what it stands for. */
  readonly arguments?: unknown;
}

/** What the model says, and what the endpoint says of it. */
export interface Saying {
  readonly text?: string | null;
  readonly toolCalls?: readonly SaidCall[];
  /** Default: `tool_calls` where there are some, else `stop`. */
  readonly finish?: string | null;
  /** The usage object as it goes over the wire; left out = none. `usageOf` makes one. */
  readonly usage?: unknown;
  readonly model?: string;
  /** The router's word for who answered. */
  readonly provider?: string;
}

/** A usage object: tokens in and out, and what else is given. */
export function usageOf(input: number, output: number, more: object = {}): object {
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output, ...more };
}

/** What goes before every answer. */
interface Head {
  readonly id: string;
  readonly model: string;
}

/** A whole answer. */
export function completionOf(saying: Saying, head: Head): object {
  const { text = null, toolCalls = [], usage, provider } = saying;
  const calls = toolCalls.map((call, index) => ({ ...wireCall(call, index), type: "function" }));
  const message = { role: "assistant", content: text, ...(calls.length > 0 && { tool_calls: calls }) };
  return {
    ...headOf(saying, head),
    object: "chat.completion",
    choices: [{ index: 0, message, finish_reason: finishOf(saying) }],
    ...(provider !== undefined && { provider }),
    ...(usage !== undefined && { usage }),
  };
}

/**
 * The same as pieces of a stream: texts and arguments in two pieces each, the calls interleaved, ids and names once; then why it
 * ended, the usage where it is asked for, and the end mark.
 */
export function piecesOf(saying: Saying, head: Head, withUsage: boolean): unknown[] {
  const { text, toolCalls = [], usage } = saying;
  const piece = (choices: readonly object[], more: object = {}): object => ({
    ...headOf(saying, head),
    object: "chat.completion.chunk",
    choices,
    ...more,
  });
  const delta = (delta: object, finish_reason: string | null = null): object =>
    piece([{ index: 0, delta, finish_reason }]);
  const calls = toolCalls.map(wireCall);
  return [
    delta({ role: "assistant", content: text === null ? null : "" }),
    ...halves(text ?? "").map((content) => delta({ content })),
    ...calls.map(({ id, function: { name } }, index) =>
      delta({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] }),
    ),
    ...[0, 1].flatMap((half) =>
      calls.map((call, index) =>
        delta({ tool_calls: [{ index, function: { arguments: halves(call.function.arguments)[half] ?? "" } }] }),
      ),
    ),
    delta({}, finishOf(saying)),
    ...(withUsage && usage !== undefined ? [piece([], { usage })] : []),
    "[DONE]",
  ];
}

function headOf(saying: Saying, { id, model }: Head): object {
  return { id, created: 1_700_000_000, model: saying.model ?? model };
}

function finishOf({ finish, toolCalls = [] }: Saying): string | null {
  return finish === undefined ? (toolCalls.length > 0 ? "tool_calls" : "stop") : finish;
}

function wireCall({ id, name, arguments: written = {} }: SaidCall, index: number) {
  const text = typeof written === "string" ? written : JSON.stringify(written);
  return { id: id ?? `call_${index}`, function: { name, arguments: text } };
}

function halves(text: string): string[] {
  const middle = Math.ceil(text.length / 2);
  return [text.slice(0, middle), text.slice(middle)].filter((half) => half !== "");
}
