/** OpenAI's responses: `input_tokens` includes what was read from the cache and written to it, `output_tokens` the reasoning. */
import { z } from "zod";
import type { Format, Hearing } from "./format.js";
import { count, counts, label } from "./rule.js";

const usage = z.object({
  input_tokens: count,
  output_tokens: count,
  input_tokens_details: counts({ cached_tokens: count, cache_write_tokens: count }),
  output_tokens_details: counts({ reasoning_tokens: count }),
});

type Wire = z.output<typeof usage>;

/** A tool of the caller's own. What the provider runs itself is no call of a tool that is asked for. */
const item = z
  .object({
    type: z.enum(["function_call", "custom_tool_call"]),
    call_id: label,
    name: label,
    arguments: z.string().optional().catch(undefined),
    input: z.string().optional().catch(undefined),
  })
  .optional()
  .catch(undefined);

type Item = z.output<typeof item>;

const response = z.object({
  id: label,
  model: label,
  status: z.string().optional().catch(undefined),
  output: z.array(item).optional().catch(undefined),
  usage: z.unknown().optional(),
});

type Response = z.output<typeof response>;

const event = z.object({
  type: z.string(),
  output_index: z.int().nonnegative().optional().catch(undefined),
  item,
  response: response.optional().catch(undefined),
});

function readItem(heard: Hearing, place: number, it: Item, whole: boolean): void {
  if (!it) return;
  heard.tools.add({ place, name: it.name, id: it.call_id, text: whole ? (it.arguments ?? it.input) : undefined });
  if (whole) heard.tools.end(place);
}

/** An answer that was cut at its length is whole, one that failed or was cancelled is not; what it says of usage is its last word. */
function readResponse(heard: Hearing, { status, usage: said, ...names }: Response): void {
  heard.names(names);
  const ended = ["completed", "incomplete"].includes(status ?? "");
  heard.uses(said, ended || status === "failed" || status === "cancelled");
  if (ended) heard.completes();
}

export const openAiResponses: Format<Wire> = {
  usage: (value) => usage.safeParse(value).data,
  told: (wire) => ({
    input: [wire.input_tokens],
    output: [wire.output_tokens],
    cacheRead: wire.input_tokens_details?.cached_tokens,
    cacheWrite: wire.input_tokens_details?.cache_write_tokens,
    reasoning: wire.output_tokens_details?.reasoning_tokens,
  }),
  body: (body, heard) => {
    const { data } = response.safeParse(body);
    if (!data) return;
    for (const [place, it] of (data.output ?? []).entries()) readItem(heard, place, it, true);
    readResponse(heard, data);
  },
  chunk: (chunk, heard) => {
    const { data } = event.safeParse(chunk);
    if (!data) return;
    const { type, output_index: place, item: it } = data;
    if (!data.response && /\.(?:added|delta)$/.test(type)) heard.says();
    if (place !== undefined && type === "response.output_item.added") readItem(heard, place, it, false);
    if (place !== undefined && type === "response.output_item.done") readItem(heard, place, it, true);
    if (!data.response) return;
    const [, status] = /^response\.(completed|incomplete|failed)$/.exec(type) ?? [];
    readResponse(heard, { ...data.response, status: status ?? "in_progress" });
  },
};
