/** Calls of a language model, metered: reserved before they are made, booked before the program has their result. */
import type {
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3GenerateResult,
  LanguageModelV3StreamResult,
} from "@ai-sdk/provider";
import type { BudgetPool } from "../ledger/budget-pool.js";
import { beginCall, type MeteredCall, type MeteredReport, type MeteringOptions } from "../metering/metered-call.js";
import { formatOf } from "../usage/providers.js";
import { reportOf } from "../usage/report.js";
import { askedOf } from "./asking.js";
import { failureOf } from "./failure.js";
import { formatSeen } from "./format.js";
import { toolsIn } from "./hearing.js";
import { meteredStream } from "./metered-stream.js";
import { asMetered, isMetered } from "./once.js";
import { readingFormat, spendSaid } from "./usage.js";

/** The model as it is called. */
export type Called = Pick<LanguageModelV3, "provider" | "modelId" | "doGenerate" | "doStream">;

/** Whose budget pays, and how. */
export interface Meter {
  readonly pool: BudgetPool;
  readonly options: MeteringOptions;
}

/** One call that answers as a whole. */
export async function generate(
  meter: Meter,
  model: Called,
  params: LanguageModelV3CallOptions,
): Promise<LanguageModelV3GenerateResult> {
  if (isMetered(params)) return model.doGenerate(params);
  const call = await begin(meter, model, params);
  const result = await made(call, model, () => model.doGenerate(asMetered(params)));
  await call.answered(reportIn(model, result));
  return result;
}

/** One call that answers as a stream. The provider's own chunks are asked for: only they say what was used before the end. */
export async function stream(
  meter: Meter,
  model: Called,
  params: LanguageModelV3CallOptions,
): Promise<LanguageModelV3StreamResult> {
  if (isMetered(params)) return model.doStream(params);
  const call = await begin(meter, model, params);
  const { abortSignal: signal, includeRawChunks: raw = false } = params;
  return made(call, model, async () => {
    const result = await model.doStream({ ...asMetered(params), includeRawChunks: true });
    return { ...result, stream: meteredStream(result.stream, { call, format: formatOf(model.provider), raw, signal }) };
  });
}

/** Nothing is reserved for a program that has given up, nor sent. */
function begin({ pool, options }: Meter, model: Called, params: LanguageModelV3CallOptions): Promise<MeteredCall> {
  return beginCall(pool, askedOf(model, params), options, params.abortSignal);
}

async function made<T>(call: MeteredCall, model: Called, make: () => PromiseLike<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    const { reason, report, refused } = failureOf(error, formatOf(model.provider));
    await call.failed(reason, report, refused);
    throw error;
  }
}

/** What a model answers is the program's, in whatever form it is: what cannot be read of it is unknown. */
function reportIn(model: Called, result: LanguageModelV3GenerateResult): MeteredReport {
  try {
    const { content, usage, providerMetadata, response } = result;
    const format = formatOf(model.provider) ?? formatSeen(response?.body);
    const read = format && response?.body ? reportOf(readingFormat(format), response.body) : undefined;
    return {
      spend: spendSaid(format, { usage, providerMetadata }, read?.spend),
      model: response?.modelId ?? read?.model,
      providerRequestId: response?.id ?? read?.providerRequestId,
      tools: toolsIn(content ?? []),
      complete: true,
    };
  } catch {
    return { spend: {}, tools: [], complete: true };
  }
}
