/** The AI SDK's own test models, metered in a pool. */
import type {
  LanguageModelV3CallOptions,
  LanguageModelV3GenerateResult,
  LanguageModelV3StreamPart,
  LanguageModelV3Usage,
} from "@ai-sdk/provider";
import { wrapLanguageModel } from "ai";
import { convertArrayToReadableStream, MockLanguageModelV3 } from "ai/test";
import { ledgerMiddleware } from "../../src/ai-sdk/middleware.js";
import type { MeteringOptions } from "../../src/metering/metered-call.js";
import type { TestClients } from "../ledger/client.js";
import { latest } from "./books.js";

/** What is asked. */
export const prompt: LanguageModelV3CallOptions["prompt"] = [
  { role: "user", content: [{ type: "text", text: "Go." }] },
];

/** Usage as the SDK states it. */
export function usage(
  input?: number,
  output?: number,
  parts: { read?: number; write?: number; thought?: number } = {},
) {
  return {
    inputTokens: { total: input, noCache: undefined, cacheRead: parts.read, cacheWrite: parts.write },
    outputTokens: { total: output, text: undefined, reasoning: parts.thought },
  } satisfies LanguageModelV3Usage;
}

/** An answer that says nothing of its usage, unless it is told to. */
export function result(more: Partial<LanguageModelV3GenerateResult>): LanguageModelV3GenerateResult {
  return {
    content: [{ type: "text", text: "Yes." }],
    finishReason: { unified: "stop", raw: "stop" },
    usage: usage(),
    warnings: [],
    ...more,
  };
}

/** A pool, and a way to have a model metered in it. */
export async function opened(clients: TestClients, options: MeteringOptions = {}) {
  const ledger = await clients.open();
  const pool = await ledger.openPool({ tokens: 100_000, iterations: 100 }, { poolId: "p" });
  const metered = (model: MockLanguageModelV3) =>
    wrapLanguageModel({ model, middleware: ledgerMiddleware(pool, options) });
  const generate = async (more: Partial<LanguageModelV3GenerateResult>, provider = "acme.chat") => {
    await metered(new MockLanguageModelV3({ provider, doGenerate: result(more) })).doGenerate({ prompt });
    return latest(ledger, pool);
  };
  return { ledger, pool, metered, generate };
}

/** The beginning of a stream. */
export const text = (...deltas: string[]): LanguageModelV3StreamPart[] => [
  { type: "stream-start", warnings: [] },
  { type: "response-metadata", id: "r-1", modelId: "m-1" },
  { type: "text-start", id: "0" },
  ...deltas.map((delta) => ({ type: "text-delta" as const, id: "0", delta })),
];

/** The end of a stream, as the SDK puts it. */
export const finish = (unified: "stop" | "other", raw: string | undefined, used = usage(10, 5)) =>
  ({ type: "finish", finishReason: { unified, raw }, usage: used }) as const;

/** A model that streams those parts. */
export function streaming(parts: readonly LanguageModelV3StreamPart[], provider = "acme.chat") {
  return new MockLanguageModelV3({ provider, doStream: { stream: convertArrayToReadableStream([...parts]) } });
}

/** All parts of a stream. */
export async function read(stream: ReadableStream<LanguageModelV3StreamPart>) {
  const parts: LanguageModelV3StreamPart[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}
