/** The format in which a model's provider answers, where its name does not tell: many speak that of OpenAI. */
import type { UsageFormat } from "../usage/usage.js";

/** The format of a chunk of a stream, or of a whole answer; undefined where it is none of those that are understood. */
export function formatSeen(body: unknown): UsageFormat | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { object, type } = body as { readonly object?: unknown; readonly type?: unknown };
  if (object === "chat.completion.chunk" || object === "chat.completion") return "openai-chat";
  if (object === "response" || (typeof type === "string" && type.startsWith("response."))) return "openai-responses";
  if (type === "message_start" || type === "message") return "anthropic";
  return "usageMetadata" in body || "candidates" in body ? "gemini" : undefined;
}
