/** An answer of the model, read from what the endpoint sent. */
import { z } from "zod";
import { type ChatAnswer, ChatError } from "../driver/chat.js";
import { toolCallsOf, type WireToolCall, wireToolCall } from "./tool-calls.js";
import { type Reported, reportedBy } from "./usage.js";

/** Content on the wire: text, or parts of which those with text count. */
export const wireContent = z
  .union([
    z.string(),
    z
      .array(z.object({ text: z.string().optional().catch(undefined) }))
      .transform((parts) => parts.map(({ text }) => text ?? "").join("")),
  ])
  .nullish();

/** A list that may be left out, or null. */
export const wireToolCalls = z.array(wireToolCall).nullish();

const completion = z.object({
  choices: z
    .array(
      z.object({
        message: z.object({ content: wireContent, refusal: z.string().nullish(), tool_calls: wireToolCalls }),
        finish_reason: z.string().nullish(),
      }),
    )
    .min(1, "is empty"),
});

/** What the model said, before it is judged. */
export interface Said {
  readonly content: string;
  readonly toolCalls: readonly WireToolCall[];
  /** Why it ended, in the endpoint's words. */
  readonly finish: string | undefined;
}

/**
 * The answer in a whole response.
 * @throws {ChatError} with the usage that was there.
 */
export function answerOf(body: unknown, known: Reported): ChatAnswer {
  const reported = { ...reportedBy(body), ...known };
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw new ChatError("the endpoint answered no JSON object", reported);
  const complaint = complaintOf(body);
  if (complaint !== undefined) throw new ChatError(`the endpoint answered an error: ${complaint}`, reported);
  const { data, error } = completion.safeParse(body);
  if (!data) throw malformed(error, reported);
  const [choice] = data.choices;
  const { content, refusal, tool_calls } = choice?.message ?? {};
  const finish = choice?.finish_reason ?? undefined;
  return conclude({ content: content || refusal || "", toolCalls: tool_calls ?? [], finish }, reported);
}

/** What an endpoint says is wrong, in a body that was sent as a success. */
function complaintOf(body: object): string | undefined {
  const error: unknown = "error" in body ? body.error : undefined;
  if (error === undefined || error === null || error === false) return undefined;
  const message = typeof error === "object" && "message" in error ? error.message : error;
  return typeof message === "string" ? message : JSON.stringify(message);
}

/** The error for a body, or a piece of one, of another form. */
export function malformed(error: z.ZodError, reported: Reported): ChatError {
  const [issue] = error.issues;
  const what = [issue?.path.join("."), issue?.message].filter(Boolean).join(": ");
  return new ChatError(`the answer is malformed: ${what}`, reported);
}

/**
 * Judges what was said. Nothing said is an answer where the model ended by itself; where it was cut or ended in an error it is none.
 * Tool calls of an answer that was cut at its length are handed on: arguments that are no JSON any more are the driver's to refuse.
 * @throws {ChatError} with the usage that was there.
 */
export function conclude({ content, toolCalls: wire, finish }: Said, reported: Reported): ChatAnswer {
  if (finish === "error") throw new ChatError("the model's provider failed in the middle of the answer", reported);
  const toolCalls = toolCallsOf(wire, finish === "length");
  if (!toolCalls) throw new ChatError("the answer is malformed: a tool call has no name", reported);
  if (content === "" && toolCalls.length === 0) {
    const why = EMPTY[finish ?? ""];
    if (why) throw new ChatError(`the answer is empty: ${why}`, reported);
  }
  return { content, toolCalls, ...reported };
}

const EMPTY: Readonly<Record<string, string>> = {
  length: "its tokens were used up before anything was said (maxTokens, or the model's own limit)",
  content_filter: "a content filter took it away",
  tool_calls: "it was to call tools, and has none",
};
