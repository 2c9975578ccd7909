/** What an answer says of itself: tokens, cost, who gave it. Unknown is not zero, and nothing impossible reaches the ledger. */
import { z } from "zod";
import { usageOf } from "../../usage/report.js";
import { label } from "../../usage/rule.js";
import type { ChatError } from "../driver/chat.js";

/** What is known of a call, also of one that failed. */
export type Reported = ChatError["reported"];

const head = z.object({ id: label, model: label, provider: label, usage: z.unknown().optional() });

/** What a response, or a piece of a stream, says of the call: usage in the form of OpenRouter, which is that of OpenAI with a cost. */
export function reportedBy(body: unknown): Reported {
  const { success, data } = head.safeParse(body);
  if (!success) return {};
  const { id: providerRequestId, model, provider } = data;
  const { usd: costUsd, ...spend } = usageOf("openrouter", data.usage);
  const tokens = told({
    input: spend.input_tokens,
    output: spend.output_tokens,
    cacheRead: spend.cache_read_tokens,
    cacheWrite: spend.cache_write_tokens,
    reasoning: spend.reasoning_tokens,
  });
  const usage = Object.keys(tokens).length > 0 ? tokens : undefined;
  return told({ usage, costUsd, provider, model, providerRequestId });
}

/** Without what is undefined. */
function told<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
