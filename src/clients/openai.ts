/** The client of OpenAI, and of what speaks its format, metered. */
import { z } from "zod";
import type { BudgetPool } from "../ledger/budget-pool.js";
import { parse } from "../ledger/schemas.js";
import type { MeteringOptions } from "../metering/metered-call.js";
import { checkedOptions } from "../metering/options.js";
import type { UsageFormat } from "../usage/usage.js";
import { type ModelCall, meteredFetch } from "./fetch.js";
import { type Body, bodyOf, modelIn, promptOf, providerAt, tokensIn } from "./request.js";
import { wrap } from "./wrap.js";

/** How a client of OpenAI is metered. */
export interface MeterOpenAIOptions extends MeteringOptions {
  /**
   * Whether streams of chat completions, which tell their usage only where they are asked to, are asked (default). `false` is for an
   * endpoint that does not take `stream_options`: what a stream used is then unknown, unless the program asks.
   */
  readonly streamUsage?: boolean | undefined;
}

/** What is asked of the client: the official one, Azure's and Bedrock's are. */
export interface OpenAIClient {
  readonly chat: object;
  readonly responses: object;
  withOptions(options: object): unknown;
}

/**
 * The same client, on a budget: each request for a model's answer is a leaf of the pool, reserved and dispatched before it is sent,
 * settled with what the answer said it used before the program sees its end. That holds for `chat.completions` and `responses` in every
 * way of calling (`create`, `parse`, `stream`, `runTools`, `compact`, `.withResponse()`, `.asResponse()`), `completions` and
 * `embeddings`; each attempt of the client's own retries is a call of its own. The given client is left as it is, unmetered. The program
 * gets what the provider sends, byte for byte, but for the piece with the usage of a stream of which it did not ask for it. A client that
 * this pool meters already is answered with the new options instead of its own, each request still one call.
 *
 * The provider is `openai` in the journal and the price book, or that of a known host (Azure, OpenRouter, xAI, Bedrock), unless `provider`
 * says another.
 *
 * Not metered: everything else, such as images, audio, moderations, files, fine-tuning, assistants, batches, realtime and other
 * websockets. A response in the background is booked when it is queued, its tokens unknown. What a request only refers to
 * (`previous_response_id`, conversations, stored prompts) is not in its ceiling: state `perCall` for such calls.
 * A stream that is neither read to its end nor left nor aborted is charged its ceilings when its lease has passed.
 * @throws {LedgerError} LG001, also where another pool meters the client: give each pool the plain one. The calls throw `CallRefusedError` where the pool cannot pay, also out of the client's helpers: nothing was
 * sent then, nor tried again. Another error of the ledger, such as LG001 for a model without a price, is in the `cause` of what helpers throw.
 */
export function meterOpenAI<Client extends OpenAIClient>(
  client: Client,
  pool: BudgetPool,
  options: MeterOpenAIOptions = {},
): Client {
  const { streamUsage = true, ...metering } = options;
  const asks = parse(z.boolean(), streamUsage, "options.streamUsage");
  const checked = checkedOptions(metering);
  const recognize = (url: URL, init: RequestInit): ModelCall | undefined => callOf(url, init, asks);
  return wrap(client, {
    parts: ["chat", "responses"],
    made: "new OpenAI()",
    pool,
    metered: (fetch) => meteredFetch(fetch, { pool, options: checked, recognize }),
  });
}

/** What differs between the ways of asking a model. */
interface Endpoint {
  readonly path: RegExp;
  readonly format: UsageFormat;
  /** What of the body the model reads. */
  readonly prompt: readonly string[];
  readonly mostOutput: (body: Body) => number | undefined;
  /** Answers side by side; one where it is left out. */
  readonly choices?: (body: Body) => number;
  readonly inFormat?: (body: object) => object;
  /** Whether a stream tells its usage only where it is asked to. */
  readonly usageOnDemand?: boolean;
}

/** Answers in that format may state a cost, as OpenRouter's do: it is a receipt. */
const CHAT = "openrouter";

const atLeastOne = (number: unknown): number => Math.max(1, tokensIn(number) ?? 1);

const times = (tokens: number | undefined, choices: number): number | undefined =>
  tokens === undefined ? undefined : tokens * choices;

/** Each prompt of a list is answered; a list of numbers is one, in tokens. */
const promptsOf = ({ prompt }: Body): number =>
  Array.isArray(prompt) && typeof prompt[0] !== "number" ? atLeastOne(prompt.length) : 1;

const ENDPOINTS: readonly Endpoint[] = [
  {
    path: /\/chat\/completions$/,
    format: CHAT,
    prompt: ["messages", "tools", "functions", "response_format", "prediction"],
    mostOutput: (body) => times(tokensIn(body.max_completion_tokens, body.max_tokens), atLeastOne(body.n)),
    choices: ({ n }) => atLeastOne(n),
    usageOnDemand: true,
  },
  {
    path: /\/completions$/,
    format: CHAT,
    prompt: ["prompt", "suffix"],
    mostOutput: (body) => times(tokensIn(body.max_tokens), promptsOf(body) * atLeastOne(body.best_of ?? body.n)),
    choices: (body) => promptsOf(body) * atLeastOne(body.n),
    usageOnDemand: true,
  },
  {
    path: /\/responses$/,
    format: "openai-responses",
    prompt: ["input", "instructions", "tools", "text", "prompt"],
    mostOutput: (body) => tokensIn(body.max_output_tokens),
  },
  {
    path: /\/responses\/compact$/,
    format: "openai-responses",
    prompt: ["input", "instructions"],
    mostOutput: () => undefined,
    // It comes whole or not at all, and has no status.
    inFormat: (body) => ({ ...body, status: "completed" }),
  },
  { path: /\/embeddings$/, format: CHAT, prompt: ["input"], mostOutput: () => 0, inFormat: withoutOutput },
];

/** Embeddings have no output, and their usage does not say so. */
function withoutOutput(body: object): object {
  const usage = "usage" in body && { usage: { ...(body.usage as object | null), completion_tokens: 0 } };
  return { ...body, ...usage, choices: [{ index: 0, finish_reason: "stop" }] };
}

function callOf(url: URL, init: RequestInit, asksForUsage: boolean): ModelCall | undefined {
  const endpoint = ENDPOINTS.find(({ path }) => path.test(url.pathname));
  if (!endpoint || init.method?.toUpperCase() !== "POST") return undefined;
  const body = bodyOf(init);
  const streamed = body.stream === true;
  const asks = asksForUsage && streamed && endpoint.usageOnDemand && !asked(body) && !isSigned(init);
  return {
    asked: {
      provider: providerAt(url, "openai"),
      model: modelIn(body),
      ...promptOf(endpoint.prompt.map((key) => body[key])),
      maxOutputTokens: endpoint.mostOutput(body),
      // The format does not tell how they ended.
      toolResults: [],
    },
    format: endpoint.format,
    streamed,
    choices: endpoint.choices?.(body) ?? 1,
    deferred: body.background === true,
    inFormat: endpoint.inFormat,
    body: asks ? withUsage(body) : undefined,
  };
}

/** Whether the program asks for the usage of a stream itself. */
function asked({ stream_options }: Body): boolean {
  return typeof stream_options === "object" && (stream_options as Body | null)?.include_usage === true;
}

function withUsage(body: Body): string {
  return JSON.stringify({
    ...body,
    stream_options: { ...(body.stream_options as object | null), include_usage: true },
  });
}

/** Whether the request is signed as it is, as AWS wants it: another body would not be taken. */
function isSigned({ headers }: RequestInit): boolean {
  return /^AWS4-/.test(new Headers(headers).get("authorization") ?? "");
}
