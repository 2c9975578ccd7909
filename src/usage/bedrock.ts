/**
 * Converse of Amazon Bedrock. `inputTokens` is the fresh part of the prompt alone: what was read from the cache and written to it comes
 * on top, and the total counts it.
 */
import { z } from "zod";
import type { Format } from "./format.js";
import { count, label, type Told } from "./rule.js";

const usage = z.object({
  inputTokens: count,
  outputTokens: count,
  cacheReadInputTokens: count,
  cacheWriteInputTokens: count,
  totalTokens: count,
  cacheDetails: z
    .array(z.object({ ttl: z.string(), inputTokens: count }).optional().catch(undefined))
    .transform((details) => details.find((detail) => detail?.ttl === "1h")?.inputTokens)
    .nullish()
    .catch(undefined),
});

type Wire = z.output<typeof usage>;

const toolUse = z.object({ toolUseId: label, name: label, input: z.unknown().optional() }).optional().catch(undefined);

const block = z.object({ toolUse }).optional().catch(undefined);

const answer = z.object({
  $metadata: z.object({ requestId: label }).optional().catch(undefined),
  output: z
    .object({ message: z.object({ content: z.array(block) }) })
    .optional()
    .catch(undefined),
  usage: z.unknown().optional(),
});

const index = z.int().nonnegative();

const event = z.object({
  contentBlockStart: z
    .object({ contentBlockIndex: index, start: z.object({ toolUse }) })
    .optional()
    .catch(undefined),
  contentBlockDelta: z
    .object({
      contentBlockIndex: index,
      delta: z.object({ toolUse: z.object({ input: z.string() }).optional().catch(undefined) }),
    })
    .optional()
    .catch(undefined),
  contentBlockStop: z.object({ contentBlockIndex: index }).optional().catch(undefined),
  messageStop: z.looseObject({}).optional().catch(undefined),
  metadata: z.object({ usage: z.unknown().optional() }).optional().catch(undefined),
});

/**
 * Where the total leaves out a cached part that the fresh one is large enough to hold, it is not told whether that is in it: then the
 * fresh one is a lower bound.
 */
function inputOf({
  inputTokens: fresh,
  cacheReadInputTokens: read,
  cacheWriteInputTokens: written,
  ...wire
}: Wire): Told["input"] {
  const cached = (read ?? 0) + (written ?? 0);
  const isLeftOut = fresh !== undefined && wire.totalTokens === fresh + (wire.outputTokens ?? 0);
  return cached > 0 && isLeftOut && cached <= fresh ? [fresh, Number.NaN] : [fresh, read, written];
}

export const bedrock: Format<Wire> = {
  usage: (value) => usage.safeParse(value).data,
  told: (wire) => ({
    input: inputOf(wire),
    output: [wire.outputTokens],
    cacheRead: wire.cacheReadInputTokens,
    cacheWrite: wire.cacheWriteInputTokens,
    cacheWrite1h: wire.cacheDetails ?? undefined,
  }),
  body: (body, heard) => {
    const { data } = answer.safeParse(body);
    if (!data) return;
    heard.names({ id: data.$metadata?.requestId });
    for (const [place, one] of (data.output?.message.content ?? []).entries()) {
      const tool = one?.toolUse;
      if (!tool) continue;
      heard.tools.add({ place, name: tool.name, id: tool.toolUseId, whole: tool.input });
    }
    heard.uses(data.usage, true);
    if (data.output) heard.completes();
  },
  chunk: (chunk, heard) => {
    const { data } = event.safeParse(chunk);
    if (!data) return;
    const { contentBlockStart: start, contentBlockDelta: delta, contentBlockStop: stop } = data;
    const tool = start?.start.toolUse;
    if (start && tool) heard.tools.add({ place: start.contentBlockIndex, name: tool.name, id: tool.toolUseId });
    if (delta?.delta.toolUse) heard.tools.more(delta.contentBlockIndex, delta.delta.toolUse.input);
    if (stop) heard.tools.end(stop.contentBlockIndex);
    heard.choice(0, { says: start !== undefined || delta !== undefined, ends: data.messageStop !== undefined });
    if (!data.metadata) return;
    heard.uses(data.metadata.usage, heard.ended);
    if (heard.ended) heard.completes();
  },
};
