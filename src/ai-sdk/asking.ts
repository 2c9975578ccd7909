/** What a call of the AI SDK asks for, as far as the ledger may know: sizes, ids and how tools ended, no text. */
import type { LanguageModelV3CallOptions, LanguageModelV3Prompt } from "@ai-sdk/provider";
import { z } from "zod";
import { OUTPUT_TOKENS } from "../metering/ceilings.js";
import type { CallAsked, ToolOutcome } from "../metering/metered-call.js";
import { priceProviderOf } from "../usage/providers.js";

/** What is asked of which model. */
export function askedOf(
  model: { readonly provider: string; readonly modelId: string },
  params: LanguageModelV3CallOptions,
): CallAsked {
  const { bytes, attachments } = sizeOf([params.prompt, params.tools ?? [], params.responseFormat ?? {}]);
  return {
    provider: priceProviderOf(model.provider),
    model: model.modelId,
    promptBytes: bytes,
    attachments,
    maxOutputTokens: outputOf(params),
    toolResults: outcomesIn(params.prompt),
  };
}

/** Anthropic's model may think beyond what it may answer, by a budget of its own (1,024 where it is left out). */
function outputOf({ maxOutputTokens, providerOptions }: LanguageModelV3CallOptions): number | undefined {
  const { data } = thinking.safeParse(providerOptions?.anthropic?.thinking);
  return data ? (maxOutputTokens ?? OUTPUT_TOKENS) + data.budgetTokens : maxOutputTokens;
}

const thinking = z.object({ type: z.literal("enabled"), budgetTokens: z.int().nonnegative().default(1_024) });

/** Parts of a prompt that carry a picture or a file, in any version of the SDK's messages. */
const FILE = /^(?:file|image|media)(?:-|$)/;

/**
 * The bytes of the JSON of a prompt, which is more than its text, and how many files are in it. A file that is text counts as such.
 */
function sizeOf(prompt: unknown): { readonly bytes: number; readonly attachments: number } {
  let attachments = 0;
  let text = 0;
  const json = JSON.stringify(prompt, (_key, value: unknown) => {
    if (!isFile(value)) return value;
    const size = value.mediaType?.startsWith("text/") ? lengthOf(value.data) : undefined;
    if (size === undefined) attachments += 1;
    text += size ?? 0;
    return value.type;
  });
  return { bytes: Buffer.byteLength(json) + text, attachments };
}

interface FilePart {
  readonly type: string;
  readonly mediaType?: string;
  readonly data?: unknown;
}

function isFile(value: unknown): value is FilePart {
  if (typeof value !== "object" || value === null || !("type" in value) || typeof value.type !== "string") return false;
  if (!FILE.test(value.type)) return false;
  // What a tool was given or has answered may look alike, but only a file of the SDK's says of what kind its data are.
  return "data" in value ? "mediaType" in value : ["url", "fileId", "image"].some((key) => key in value);
}

function lengthOf(data: unknown): number | undefined {
  if (typeof data === "string") return Buffer.byteLength(data);
  return data instanceof Uint8Array ? data.byteLength : undefined;
}

const FAILED: readonly string[] = ["error-text", "error-json", "execution-denied"];

/** How the tools ended that the model asked for in its last answer. What came before was told with earlier calls. */
function outcomesIn(prompt: LanguageModelV3Prompt): ToolOutcome[] {
  const latest = prompt.slice(prompt.findLastIndex(({ role }) => role === "assistant") + 1);
  return latest
    .flatMap((message) => (message.role === "tool" ? message.content : []))
    .flatMap((part): ToolOutcome[] => {
      if (part.type !== "tool-result") return [];
      return [{ id: part.toolCallId, status: FAILED.includes(part.output.type) ? "error" : "ok" }];
    });
}
