/**
 * Gemini's generateContent. `promptTokenCount` includes the cached part; what tools put into the prompt comes on top of it, and thoughts
 * on top of the candidates, unless the total shows that they are in them. Every event of a stream states the counts up to it.
 */
import { z } from "zod";
import type { Format, Hearing } from "./format.js";
import { count, label, type Told } from "./rule.js";

const usage = z.object({
  promptTokenCount: count,
  cachedContentTokenCount: count,
  toolUsePromptTokenCount: count,
  candidatesTokenCount: count,
  thoughtsTokenCount: count,
  totalTokenCount: count,
});

type Wire = z.output<typeof usage>;

const call = z.object({
  id: label,
  name: label,
  args: z.unknown().optional(),
  partialArgs: z.unknown().optional(),
  willContinue: z.unknown().optional(),
});

const part = z
  .object({ functionCall: call.optional().catch(undefined), text: z.string().optional().catch(undefined) })
  .optional()
  .catch(undefined);

const response = z.object({
  responseId: label,
  modelVersion: label,
  usageMetadata: z.unknown().optional(),
  promptFeedback: z.object({ blockReason: z.string() }).optional().catch(undefined),
  candidates: z
    .array(
      z
        .object({
          index: z.int().nonnegative().optional().catch(undefined),
          content: z
            .object({ parts: z.array(part).optional().catch(undefined) })
            .optional()
            .catch(undefined),
          finishReason: z.string().optional().catch(undefined),
        })
        .optional()
        .catch(undefined),
    )
    .optional()
    .catch(undefined),
});

function outputOf(wire: Wire): Told["output"] {
  const { promptTokenCount, toolUsePromptTokenCount = 0, thoughtsTokenCount: thoughts = 0, totalTokenCount } = wire;
  const output = (totalTokenCount ?? Number.NaN) - (promptTokenCount ?? Number.NaN) - toolUsePromptTokenCount;
  // A count of 0 is not written: the total says it.
  const candidates = wire.candidatesTokenCount ?? (output >= thoughts ? output - thoughts : undefined);
  if (candidates === output && thoughts <= candidates) return [candidates];
  // What the total holds beyond the counts is of nobody knows which.
  const isMore = candidates !== undefined && output > candidates + thoughts;
  return [candidates, wire.thoughtsTokenCount, isMore ? Number.NaN : undefined];
}

function read(body: unknown, heard: Hearing, whole: boolean): void {
  const { data } = response.safeParse(body);
  if (!data) return;
  heard.names({ model: data.modelVersion, id: data.responseId });
  for (const [position, candidate] of (data.candidates ?? []).entries()) {
    for (const one of candidate?.content?.parts ?? []) {
      const tool = one?.functionCall;
      if (!tool?.name) continue;
      const cut = tool.willContinue === true || tool.partialArgs !== undefined;
      const place = heard.tools.calls.length;
      heard.tools.add({ place, name: tool.name, id: tool.id, whole: tool.args ?? {}, cut });
      heard.tools.end(place);
    }
    // A last event may have an empty text.
    const says = candidate?.content?.parts?.some((one) => one?.text !== "") ?? false;
    heard.choice(candidate?.index ?? position, { says, ends: candidate?.finishReason !== undefined });
  }
  const ended = heard.ended || data.promptFeedback !== undefined;
  heard.uses(data.usageMetadata, whole || ended);
  if (ended) heard.completes();
}

export const gemini: Format<Wire> = {
  usage: (value) => usage.safeParse(value).data,
  told: (wire) => ({
    input: [wire.promptTokenCount, wire.toolUsePromptTokenCount],
    output: outputOf(wire),
    cacheRead: wire.cachedContentTokenCount,
    reasoning: wire.thoughtsTokenCount,
  }),
  body: (body, heard) => read(body, heard, true),
  chunk: (chunk, heard) => read(chunk, heard, false),
};
