/** What an answer says of itself: tokens, cost, who gave it. Unknown is not zero, and nothing impossible reaches the ledger. */
import { z } from "zod";
import { sum } from "../../ledger/amounts.js";
import type { Amount } from "../../ledger/protocol.js";
import { id } from "../../ledger/schemas.js";
import type { ChatError, ChatUsage } from "../driver/chat.js";

/** What is known of a call, also of one that failed. */
export type Reported = ChatError["reported"];

/** A count: what is none (a text, a fraction, below zero) is not reported. */
const count = z.int().nonnegative().optional().catch(undefined);

/** Dollars, within what the ledger can hold. */
const dollars = z.number().nonnegative().lt(1e15).optional().catch(undefined);

const usage = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: z.object({ cached_tokens: count, cache_write_tokens: count }).optional().catch(undefined),
  completion_tokens_details: z.object({ reasoning_tokens: count }).optional().catch(undefined),
  // Where a router has no such details of its own, it hands on its provider's: Anthropic's, DeepSeek's.
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
  prompt_cache_hit_tokens: count,
  cost: dollars,
  is_byok: z.boolean().optional().catch(undefined),
  cost_details: z.object({ upstream_inference_cost: dollars }).optional().catch(undefined),
});

type WireUsage = z.output<typeof usage>;

const label = id.optional().catch(undefined);

const head = z.object({
  id: label,
  model: label,
  provider: label,
  usage: usage.optional().catch(undefined),
});

/**
 * What a response, or a piece of a stream, says of the call. Parts are kept where they can be: a part above its total, or without
 * one, is left out and the total stays (read and write together above the prompt: the write is left out). Where the total of all
 * shows that reasoning comes on top of the completion, as xAI and some ways to Gemini count it, it is part of the output.
 *
 * The cost is a receipt, 0 included; for a call with a key of the user's own (`is_byok`) it is the router's fee and the provider's
 * price together, and unknown where the second is not told.
 */
export function reportedBy(body: unknown): Reported {
  const { success, data } = head.safeParse(body);
  if (!success) return {};
  const { id: providerRequestId, model, provider, usage: wire } = data;
  const found = { usage: wire && tokensOf(wire), costUsd: wire && costOf(wire), provider, model, providerRequestId };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

function tokensOf(wire: WireUsage): ChatUsage | undefined {
  const input = wire.prompt_tokens;
  const thought = wire.completion_tokens_details?.reasoning_tokens;
  const output = outputOf(wire, thought);
  if (input === undefined && output === undefined) return undefined;
  const cacheRead = within(
    wire.prompt_tokens_details?.cached_tokens ?? wire.cache_read_input_tokens ?? wire.prompt_cache_hit_tokens,
    input,
  );
  const cacheWrite = within(
    wire.prompt_tokens_details?.cache_write_tokens ?? wire.cache_creation_input_tokens,
    input === undefined ? undefined : input - (cacheRead ?? 0),
  );
  const tokens = { input, output, cacheRead, cacheWrite, reasoning: within(thought, output) };
  return Object.fromEntries(Object.entries(tokens).filter(([, tokens]) => tokens !== undefined));
}

function outputOf({ prompt_tokens, completion_tokens, total_tokens }: WireUsage, reasoning = 0): number | undefined {
  if (prompt_tokens === undefined || completion_tokens === undefined) return completion_tokens;
  const onTop = completion_tokens + reasoning;
  return total_tokens === prompt_tokens + onTop ? onTop : completion_tokens;
}

function within(part: number | undefined, total: number | undefined): number | undefined {
  return part !== undefined && total !== undefined && part <= total ? part : undefined;
}

function costOf({ cost, is_byok, cost_details }: WireUsage): Amount | undefined {
  if (cost === undefined || is_byok !== true) return cost;
  const upstream = cost_details?.upstream_inference_cost;
  return upstream === undefined ? undefined : sum([cost, upstream]);
}
