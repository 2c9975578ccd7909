/** Usage, answers and streams of any format, read. Nothing that is sent makes them throw: what is malformed is unknown. */
import { z } from "zod";
import type { Spend } from "../ledger/protocol.js";
import { parse } from "../ledger/schemas.js";
import { anthropic } from "./anthropic.js";
import { bedrock } from "./bedrock.js";
import { gemini } from "./gemini.js";
import { openAiChat, openRouter } from "./openai-chat.js";
import { openAiResponses } from "./openai-responses.js";
import { type Reader, readerOf, type StreamReading } from "./reading.js";
import { type CallReport, USAGE_FORMATS, type UsageFormat } from "./usage.js";

const READERS: Readonly<Record<UsageFormat, Reader>> = {
  "openai-chat": readerOf(openAiChat),
  "openai-responses": readerOf(openAiResponses),
  anthropic: readerOf(anthropic),
  gemini: readerOf(gemini),
  openrouter: readerOf(openRouter),
  bedrock: readerOf(bedrock),
};

/**
 * The spend of a provider's usage object, without iterations and ms. What it does not say is left out.
 * @throws {LedgerError} LG001 where there is no such format.
 */
export function usageOf(format: UsageFormat, usage: unknown): Spend {
  return readerNamed(format).usageOf(usage);
}

/**
 * What a whole answer says of its call.
 * @throws {LedgerError} LG001 where there is no such format.
 */
export function reportOf(format: UsageFormat, body: unknown): CallReport {
  return readerNamed(format).reportOf(body);
}

/**
 * Reads a stream of that format. It is whole when the format says that it has ended, and where the format says so of each answer (OpenAI's
 * chat, Gemini): when all have ended.
 * @param choices how many answers side by side were asked for (`n`, `candidateCount`), where it is not one. A stream in which they come one
 * after the other would be taken for whole after the first.
 * @throws {LedgerError} LG001 where there is no such format, or no such number.
 */
export function readStream(format: UsageFormat, choices = 1): StreamReading {
  return readerNamed(format).readStream(parse(numberOfChoices, choices, "choices"));
}

const numberOfChoices = z.int().positive();

const formatName = z.enum(USAGE_FORMATS, { error: `must be one of ${USAGE_FORMATS.join(", ")}` });

function readerNamed(format: UsageFormat): Reader {
  return READERS[parse(formatName, format, "format")];
}

export type { StreamReading };
