/**
 * OpenAI's chat completions, and OpenRouter's, which are those with a cost. `prompt_tokens` includes what was read from the cache and
 * written to it, `completion_tokens` the reasoning; where the total of all shows that reasoning comes on top, as xAI and some ways to
 * Gemini count it, it is part of the output.
 */
import { z } from "zod";
import { sum } from "../ledger/amounts.js";
import type { Amount } from "../ledger/protocol.js";
import type { Format, Hearing } from "./format.js";
import { count, counts, dollars, label, type Told } from "./rule.js";

const usage = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: counts({ cached_tokens: count, cache_write_tokens: count }),
  completion_tokens_details: counts({ reasoning_tokens: count }),
  // Where a router has no such details of its own, it hands on its provider's: Anthropic's, DeepSeek's.
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
  prompt_cache_hit_tokens: count,
  cost: dollars,
  is_byok: z.boolean().optional().catch(undefined),
  cost_details: z.object({ upstream_inference_cost: dollars }).optional().catch(undefined),
});

type Wire = z.output<typeof usage>;

const text = z.string().nullish().catch(undefined);

const tool = z
  .object({
    index: z.int().nullish().catch(undefined),
    id: label.nullable(),
    function: z.object({ name: label.nullable(), arguments: z.unknown().optional() }).nullish().catch(undefined),
    custom: z.object({ name: label.nullable(), input: text }).nullish().catch(undefined),
  })
  .nullish()
  .catch(undefined);

type Tool = z.output<typeof tool>;

/** A message or a piece of one. Its other parts are only asked whether they say anything. */
const message = z
  .looseObject({ tool_calls: z.array(tool).nullish().catch(undefined) })
  .nullish()
  .catch(undefined);

const completion = z.object({
  id: label,
  model: label,
  usage: z.unknown().optional(),
  choices: z
    .array(
      z
        .object({ index: z.int().nullish().catch(undefined), message, delta: message, text, finish_reason: text })
        .optional()
        .catch(undefined),
    )
    .nullish()
    .catch(undefined),
});

function toldOf(wire: Wire): Told {
  const { prompt_tokens_details: read, completion_tokens_details: thought } = wire;
  return {
    input: [wire.prompt_tokens],
    output: outputOf(wire),
    cacheRead: read?.cached_tokens ?? wire.cache_read_input_tokens ?? wire.prompt_cache_hit_tokens,
    cacheWrite: read?.cache_write_tokens ?? wire.cache_creation_input_tokens,
    reasoning: thought?.reasoning_tokens,
  };
}

function outputOf(wire: Wire): Told["output"] {
  const { prompt_tokens = 0, completion_tokens, total_tokens } = wire;
  const reasoning = wire.completion_tokens_details?.reasoning_tokens ?? 0;
  const isOnTop =
    wire.prompt_tokens !== undefined && total_tokens === prompt_tokens + (completion_tokens ?? 0) + reasoning;
  return isOnTop && completion_tokens !== undefined ? [completion_tokens, reasoning] : [completion_tokens];
}

/** For a call with a key of the user's own it is the router's fee and the provider's price together, unknown where that is not told. */
function costOf({ cost, is_byok, cost_details }: Wire): Amount | undefined {
  if (cost === undefined || is_byok !== true) return cost;
  const upstream = cost_details?.upstream_inference_cost;
  return upstream === undefined ? undefined : sum([cost, upstream]);
}

/** Places of the tools of several choices, apart. */
const APART = 10_000;

function readTool(heard: Hearing, choice: number, index: number | null | undefined, piece: Tool): void {
  if (!piece) return;
  const { name, arguments: args } = piece.function ?? { name: piece.custom?.name, arguments: piece.custom?.input };
  heard.tools.add({
    place: typeof index !== "number" ? undefined : choice * APART + index,
    id: piece.id,
    name,
    ...(typeof args === "string" ? { text: args } : { whole: args ?? undefined }),
  });
}

/** Whether a piece says anything. Routers send empty ones after the end, beside the usage, and Azure what its filter found. */
function says(delta: z.output<typeof message>, text: string | null | undefined): boolean {
  const parts = Object.entries(delta ?? {}).filter(([name]) => name !== "role");
  return Boolean(text) || parts.some(([, part]) => (typeof part === "object" ? !isEmpty(part) : Boolean(part)));
}

function isEmpty(part: object | null): boolean {
  return part === null || Object.keys(part).length === 0;
}

function read(body: unknown, heard: Hearing, whole: boolean): void {
  if (body === "[DONE]") heard.completes(true);
  const { data } = completion.safeParse(body);
  if (!data) return;
  heard.names(data);
  const choices = data.choices ?? [];
  for (const [position, one] of choices.entries()) {
    const choice = one?.index ?? position;
    const pieces = (whole ? one?.message : one?.delta)?.tool_calls ?? [];
    for (const [place, piece] of pieces.entries()) readTool(heard, choice, whole ? place : piece?.index, piece);
    heard.choice(choice, { says: says(one?.delta, one?.text), ends: Boolean(one?.finish_reason) });
  }
  if (whole) heard.tools.end();
  if (heard.ended) heard.completes();
  // What is said before the end may grow with the next piece.
  heard.uses(data.usage, whole || heard.ended);
}

export const openAiChat: Format<Wire> = {
  usage: (value) => usage.safeParse(value).data,
  told: toldOf,
  body: (body, heard) => read(body, heard, true),
  chunk: (chunk, heard) => read(chunk, heard, false),
};

export const openRouter: Format<Wire> = { ...openAiChat, told: (wire) => ({ ...toldOf(wire), usd: costOf(wire) }) };
