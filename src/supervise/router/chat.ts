/** A driver's model behind an OpenAI-compatible endpoint: OpenAI, OpenRouter, vLLM, LiteLLM and their like. */
import type {
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionCreateParamsStreaming,
} from "openai/resources/chat/completions/completions";
import { type ChatAnswer, ChatError, type ChatRequest, type DriverChat } from "../driver/chat.js";
import { answerOf, conclude } from "./answer.js";
import { retrying } from "./attempts.js";
import { failure } from "./failure.js";
import { type RouterChatOptions, type RouterSettings, settingsOf } from "./options.js";
import { Patience } from "./patience.js";
import { bodyOf } from "./request.js";
import { StreamedAnswer } from "./stream.js";
import type { Reported } from "./usage.js";

/**
 * A chat over chat completions.
 *
 * One `complete` is one call, whatever it took: requests that were turned away (408, 409, 429, 5xx, lost connections) are sent again
 * before anything of an answer has come, and the call is metered once. What a provider bills for an attempt that it answered with an
 * error, or whose connection was lost, is told to nobody: it is in no receipt of the answer that came in the end. Only where the call
 * as a whole fails is its usage unknown.
 *
 * Every failure is a `ChatError` with what the provider reported before: an answer that is malformed, empty where it should not be, or
 * an error under status 200; a stream that ends before its answer has; silence longer than `timeoutMs`; an abort, which ends a wait
 * between attempts too. None of these is sent again. A call aborted before it was sent spent nothing, and says so.
 *
 * A stream that breaks after the model has said why it ended is an answer of unknown usage. No text and no tool call is an answer
 * (`content` empty) where the model ended by itself. An answer cut at its length is handed on with the tool calls as far as they came.
 * @throws {LedgerError} LG001 where an option is malformed, with its path and rule.
 */
export function routerDriverChat(options: RouterChatOptions): DriverChat {
  const settings = settingsOf(options);
  const { model, provider } = settings;
  return {
    model,
    ...(provider !== undefined && { provider }),
    inference: "metered",
    complete: (request) => complete(request, settings),
  };
}

async function complete(request: ChatRequest, settings: RouterSettings): Promise<ChatAnswer> {
  const known: Reported = settings.provider === undefined ? {} : { provider: settings.provider };
  if (request.signal.aborted) {
    const nothing = { ...known, usage: { input: 0, output: 0 }, costUsd: 0 };
    throw new ChatError("the call was aborted before it was sent", nothing, { cause: request.signal.reason });
  }
  const client = await settings.client();
  const patience = new Patience(request.signal, settings.timeoutMs);
  try {
    return await (settings.stream ? streamed : whole)({ client, request, settings, patience, known });
  } finally {
    patience.end();
  }
}

interface Call {
  readonly client: Client;
  readonly request: ChatRequest;
  readonly settings: RouterSettings;
  readonly patience: Patience;
  /** What is known of it without the endpoint. */
  readonly known: Reported;
}

async function whole(call: Call): Promise<ChatAnswer> {
  const body: ChatCompletionCreateParamsNonStreaming = { ...bodyOf(call.request, call.settings), stream: false };
  const answer = await sent(call, (client, options) => client.chat.completions.create(body, options));
  return answerOf(answer, call.known);
}

async function streamed(call: Call): Promise<ChatAnswer> {
  const { request, settings, patience } = call;
  const body: ChatCompletionCreateParamsStreaming = {
    stream_options: { include_usage: true },
    ...bodyOf(request, settings),
    stream: true,
  };
  const pieces = await sent(call, (client, options) => client.chat.completions.create(body, options));
  const answer = new StreamedAnswer(call.known);
  let broken: unknown = new Error("the stream ended before the answer did");
  try {
    for await (const piece of pieces) {
      patience.heard();
      answer.add(piece);
    }
  } catch (error) {
    broken = error;
  }
  // The client ends a stream that was aborted as if it were whole.
  const aborted = patience.signal.aborted && !(patience.lost && answer.ended);
  if (answer.ended && !aborted) return conclude(answer.said(), answer.reported());
  throw failure(broken, patience, answer.reported());
}

type Client = Awaited<ReturnType<RouterSettings["client"]>>;
type RequestOptions = NonNullable<Parameters<Client["chat"]["completions"]["create"]>[1]>;

/** Sends, again where it was turned away. Resolves with the answer, or with a stream that has begun. */
async function sent<T>(call: Call, send: (client: Client, options: RequestOptions) => Promise<T>): Promise<T> {
  const { client, settings, patience, known } = call;
  const { timeoutMs, maxRetries, headers } = settings;
  const options = { signal: patience.signal, timeout: timeoutMs, maxRetries: 0, ...(headers && { headers }) };
  try {
    return await retrying(() => send(client, options), maxRetries, patience);
  } catch (error) {
    throw failure(error, patience, known);
  }
}
