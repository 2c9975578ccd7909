/**
 * The older part of a long conversation, replaced by a summary of it. The rules:
 * - It is due when the prompt of the last call was larger than `aboveTokens`, as the provider counted it.
 * - The beginning (system message and task) always stays, and so do the last `keepLast` messages, with the call that the first of them
 *   answers: a tool's result is never without its call. What is between is summarised, an earlier summary with it.
 * - A summary that failed or is empty changes nothing; it is asked for again before the next turn.
 */
import type { ChatMessage, DriverChat } from "./chat.js";

/** When and how a driver's conversation is compacted. */
export interface Compaction {
  readonly aboveTokens: number;
  /** Messages at the end that stay as they are. Default 6. */
  readonly keepLast?: number | undefined;
  /** What the model is told to do, instead of the usual. */
  readonly instructions?: string | undefined;
  /** Who summarises. Default: the driver's own chat. */
  readonly chat?: DriverChat | undefined;
}

const INSTRUCTIONS = `Summarise this conversation of a coordinator for itself. Keep ids of workers and questions, what was given to whom, \
what came back, decisions and what is still open. Write only the summary.`;

/** Messages to summarise, and those to keep behind; undefined where less than two could go. */
export function older(
  body: readonly ChatMessage[],
  { keepLast = 6 }: Compaction,
): { readonly summarised: readonly ChatMessage[]; readonly kept: readonly ChatMessage[] } | undefined {
  let from = Math.max(0, body.length - keepLast);
  while (from > 0 && body[from]?.role === "tool") from -= 1;
  return from < 2 ? undefined : { summarised: body.slice(0, from), kept: body.slice(from) };
}

/** What the model is asked for a summary. */
export function summaryRequest(summarised: readonly ChatMessage[], { instructions }: Compaction): ChatMessage[] {
  return [
    { role: "system", content: instructions ?? INSTRUCTIONS },
    { role: "user", content: summarised.map(asText).join("\n\n") },
  ];
}

/** The summary in the place of what it summarises. */
export function summaryMessage(summary: string): ChatMessage {
  return { role: "user", content: `Summary of what was said and done so far:\n${summary}` };
}

function asText(message: ChatMessage): string {
  if (message.role === "tool") return `[result of ${message.toolCallId}] ${message.content}`;
  if (message.role !== "assistant") return `[${message.role}] ${message.content}`;
  const calls = message.toolCalls.map(({ id, name, arguments: args }) => `[call ${id}] ${name}(${args})`);
  return [`[assistant] ${message.content}`, ...calls].join("\n");
}
