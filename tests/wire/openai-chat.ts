/** Answers of a model in the format of OpenAI's chat completions: whole, or as the pieces of a stream. */
import { argumentsOf, type Head, halves, type SaidCall, type Saying } from "./saying.js";

/** A usage object: tokens in and out, and what else is given. */
export function usageOf(input: number, output: number, more: object = {}): object {
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output, ...more };
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
 * ended, the usage where it is asked for (then every other piece says that it has none), and the end mark.
 */
export function piecesOf(saying: Saying, head: Head, withUsage: boolean): unknown[] {
  const { text, toolCalls = [], usage } = saying;
  const said = withUsage && usage !== undefined;
  const piece = (choices: readonly object[], more: object = said ? { usage: null } : {}): object => ({
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
    ...(said ? [piece([], { usage })] : []),
    "[DONE]",
  ];
}

function headOf(saying: Saying, { id, model }: Head): object {
  return { id, created: 1_700_000_000, model: saying.model ?? model };
}

function finishOf({ finish, toolCalls = [] }: Saying): string | null {
  return finish === undefined ? (toolCalls.length > 0 ? "tool_calls" : "stop") : finish;
}

function wireCall(call: SaidCall, index: number) {
  return { id: call.id ?? `call_${index}`, function: { name: call.name, arguments: argumentsOf(call) } };
}
