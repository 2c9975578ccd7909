/**
 * The lines of a session file, as far as they are looked at. Texts, prompts and paths are not: nothing of them can reach the
 * ledger. Real files hold more kinds of lines and more keys with every release, so what is not asked for is left alone.
 */
import { z } from "zod";

/** Ids become part of operation ids, which are at most 200 characters long: up to 72 visible ASCII characters. */
const Id = z
  .string()
  .regex(/^[\x21-\x7e]{1,72}$/)
  .optional()
  .catch(undefined);

/** A name to be booked: up to 200 characters of printable ASCII, as the ledger and its JSON can hold. */
const Name = z
  .string()
  .regex(/^[\x20-\x7e]{1,200}$/)
  .optional()
  .catch(undefined);

/** A word of the provider's that a price depends on. */
const Word = z
  .string()
  .regex(/^[a-z0-9_.-]{1,64}$/i)
  .optional()
  .catch(undefined);

/** ISO 8601 with a zone: other forms mean another instant on another machine. */
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)$/;

/** Milliseconds since 1970; what names no instant after 2000 is taken as missing. */
const Instant = z
  .string()
  .regex(ISO)
  .transform((text) => Date.parse(text))
  .refine((ms) => ms >= Date.UTC(2000, 0))
  .optional()
  .catch(undefined);

const Count = z.int().nonnegative();
const Counts = z.record(z.string(), z.unknown()).optional().catch(undefined);

/** The provider's usage of one model call, with what a price depends on. */
const Usage = z.object({
  input_tokens: Count,
  output_tokens: Count,
  cache_creation_input_tokens: Count.nullish(),
  cache_read_input_tokens: Count.nullish(),
  cache_creation: Counts,
  server_tool_use: Counts,
  service_tier: Word,
  speed: Word,
  inference_geo: Word,
});

/** Usage as a provider reports it: `input_tokens` is the fresh part of the prompt alone. */
export type Usage = z.infer<typeof Usage>;

/** A part of a message: tools asked for, and results of tools. */
const Block = z.object({ type: z.string(), id: Id, name: Name, tool_use_id: Id }).optional().catch(undefined);

/** A content that is a plain text holds no tools. */
const Blocks = z.array(Block).catch([]);

const Line = z.object({
  type: z.string(),
  uuid: Id,
  parentUuid: Id,
  sessionId: Id,
  isSidechain: z.boolean().optional().catch(undefined),
  agentId: Id,
  requestId: Id,
  timestamp: Instant,
  toolUseResult: z.object({ agentId: Id }).optional().catch(undefined),
  message: z
    .object({ id: Id, model: Name, usage: z.unknown().optional(), content: Blocks })
    .optional()
    .catch(undefined),
});

/** One line of a session file. `timestamp` is in milliseconds. */
export type Line = z.infer<typeof Line>;

/** The line a text holds, or what is wrong with it. */
export function parseLine(text: string): Line | { readonly problem: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { problem: "torn line: not complete JSON" };
  }
  const { success, data } = Line.safeParse(json);
  if (!success) return { problem: "foreign line: not a line of a session" };
  if (data.type === "assistant" && data.message === undefined) {
    return { problem: "foreign line: an assistant line without a message" };
  }
  return data;
}

/** The usage a line states; undefined where it is missing or malformed. */
export function parseUsage(usage: unknown): Usage | undefined {
  const { data } = Usage.safeParse(usage);
  return data !== undefined && Number.isSafeInteger(promptTokens(data) + data.output_tokens) ? data : undefined;
}

/** The whole prompt: fresh, written to the cache, and read from it. */
export function promptTokens(usage: Usage): number {
  return usage.input_tokens + (usage.cache_creation_input_tokens ?? 0) + (usage.cache_read_input_tokens ?? 0);
}
