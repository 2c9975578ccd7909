/**
 * Anthropic's messages. `input_tokens` is the fresh part of the prompt alone: what was read from the cache and written to it comes on
 * top. Counts of a stream are cumulative; those at its start are a lower bound of the output.
 */
import { z } from "zod";
import type { Format, Hearing } from "./format.js";
import { count, counts, label } from "./rule.js";

const sampling = {
  input_tokens: count,
  output_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
  cache_creation: counts({ ephemeral_5m_input_tokens: count, ephemeral_1h_input_tokens: count }),
};

const Sampling = z.object(sampling);

type Sampling = z.output<typeof Sampling>;

/** Of a call's iterations the counts above hold those of the message; a compaction and an adviser's answer are billed beside them. */
const beside = z
  .array(
    z
      .object({ ...sampling, type: z.enum(["compaction", "advisor_message"]) })
      .optional()
      .catch(undefined),
  )
  .transform((iterations) => iterations.filter((one) => one !== undefined).map(partsOf))
  .nullish()
  .catch(undefined);

const usage = z.object({
  ...sampling,
  iterations: beside,
  output_tokens_details: counts({ thinking_tokens: count }),
});

type Wire = z.output<typeof usage>;

const block = z
  .object({ type: z.literal("tool_use"), id: label, name: label, input: z.unknown().optional() })
  .optional()
  .catch(undefined);

type Tool = z.output<typeof block>;

const stop = z.string().nullish().catch(undefined);

const message = z.object({
  id: label,
  model: label,
  content: z.array(block).optional().catch(undefined),
  stop_reason: stop,
  usage: z.unknown().optional(),
});

const event = z.object({
  type: z.string(),
  index: z.int().nonnegative().optional().catch(undefined),
  message: message.optional().catch(undefined),
  content_block: block,
  delta: z
    .object({ partial_json: z.string().optional().catch(undefined), stop_reason: stop })
    .optional()
    .catch(undefined),
  usage: z.unknown().optional(),
});

type Event = z.output<typeof event>;

/** The parts of the prompt and the output of one sampling; each token is in one of them, those of an hour in `written` too. */
interface Parts {
  readonly fresh: number | undefined;
  readonly read: number | undefined;
  readonly written: number | undefined;
  readonly forAnHour: number | undefined;
  readonly output: number | undefined;
}

function partsOf(one: Sampling): Parts {
  const { ephemeral_5m_input_tokens: brief, ephemeral_1h_input_tokens: anHour } = one.cache_creation ?? {};
  return {
    fresh: one.input_tokens,
    read: one.cache_read_input_tokens,
    written: one.cache_creation_input_tokens ?? total([brief, anHour]),
    forAnHour: anHour,
    output: one.output_tokens,
  };
}

function total(parts: readonly (number | undefined)[]): number | undefined {
  const said = parts.filter((part) => part !== undefined);
  return said.length === 0 ? undefined : said.reduce((sum, part) => sum + part, 0);
}

function readTool(heard: Hearing, place: number, { name, id, input }: NonNullable<Tool>): void {
  heard.tools.add({ place, name, id, whole: input });
}

function readBlock(heard: Hearing, type: string, place: number, { content_block: tool, delta }: Event): void {
  if (type === "content_block_start" && tool) readTool(heard, place, tool);
  if (type === "content_block_delta" && delta?.partial_json) heard.tools.more(place, delta.partial_json);
  if (type === "content_block_stop") heard.tools.end(place);
}

export const anthropic: Format<Wire> = {
  usage: (value) => usage.safeParse(value).data,
  told: (wire) => {
    const message = partsOf(wire);
    const all = [message, ...(wire.iterations ?? [])];
    const [, ...others] = all;
    const sum = (part: keyof Parts): number | undefined => total(all.map((one) => one[part]));
    return {
      input: [message.fresh, total(others.map(({ fresh }) => fresh)), sum("read"), sum("written")],
      output: [message.output, total(others.map(({ output }) => output))],
      cacheRead: sum("read"),
      cacheWrite: sum("written"),
      cacheWrite1h: sum("forAnHour"),
      reasoning: wire.output_tokens_details?.thinking_tokens,
    };
  },
  body: (body, heard) => {
    const { data } = message.safeParse(body);
    if (!data) return;
    for (const [place, tool] of (data.content ?? []).entries()) {
      if (tool) readTool(heard, place, tool);
    }
    heard.names(data);
    heard.uses(data.usage, true);
    if (data.content) heard.completes();
  },
  chunk: (chunk, heard) => {
    const { data } = event.safeParse(chunk);
    if (!data) return;
    const { type, index, message: start } = data;
    if (type === "content_block_start" || type === "content_block_delta") heard.says();
    if (index !== undefined) readBlock(heard, type, index, data);
    if (type === "message_start" && start) {
      heard.names(start);
      heard.uses(start.usage);
    }
    if (type === "message_delta") heard.uses(data.usage, Boolean(data.delta?.stop_reason));
    if (type === "message_stop") heard.completes();
  },
};
