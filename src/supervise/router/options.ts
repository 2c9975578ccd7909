/** What a chat over an OpenAI-compatible endpoint may be told, checked before anything is sent. */
import type OpenAI from "openai";
import { z } from "zod";
import { LONGEST_TIMER_MS } from "../../ledger/leases.js";
import { id, parse } from "../../ledger/schemas.js";

/** Options of `routerDriverChat`. */
export interface RouterChatOptions {
  /** The model to ask, by the endpoint's name for it. */
  readonly model: string;
  /** A client that the program has already; its base URL, key and proxies are used. Else one is made from `baseURL` and `apiKey`. */
  readonly client?: OpenAI | undefined;
  /** Such as `https://openrouter.ai/api/v1`. Default: that of OPENAI_BASE_URL, else OpenAI's. */
  readonly baseURL?: string | undefined;
  /**
   * Default: OPENAI_API_KEY, but only where no `baseURL` is given: that key is for the endpoint of the environment and goes to no
   * other. An endpoint that asks for no key gets no Authorization header.
   */
  readonly apiKey?: string | undefined;
  /** Who is booked as provider, and under whom prices are looked up. Default: who the endpoint says it is, where it does. */
  readonly provider?: string | undefined;
  /** Whether the answer is asked for piece by piece. Default false. */
  readonly stream?: boolean | undefined;
  /**
   * How long the endpoint may be silent, in ms: until a whole answer is there, or until the next piece of a streamed one. Passed, the
   * call fails and is not repeated, because the provider may be at work on it and bill it. Default: the given client's, else 5 minutes,
   * where Node's own fetch gives up too (a longer time needs a client with a dispatcher of its own).
   */
  readonly timeoutMs?: number | undefined;
  /** How often a call that was turned away is sent again: 408, 409, 429, 5xx and lost connections. Default: the given client's, else 2. */
  readonly maxRetries?: number | undefined;
  readonly temperature?: number | undefined;
  /** The most tokens an answer may have (`max_completion_tokens`; an endpoint that knows only `max_tokens` gets it by `extraBody`). */
  readonly maxTokens?: number | undefined;
  /** More keys of the request, such as `reasoning_effort`; `stream_options: undefined` for endpoints that refuse it. */
  readonly extraBody?: Readonly<Record<string, unknown>> | undefined;
  /** More headers, sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** The options with what was left out filled in. */
export interface RouterSettings
  extends Pick<RouterChatOptions, "provider" | "temperature" | "maxTokens" | "extraBody" | "headers"> {
  readonly model: string;
  /** The client; its package is loaded when it is first asked for. */
  readonly client: () => Promise<OpenAI>;
  readonly stream: boolean;
  readonly timeoutMs: number;
  readonly maxRetries: number;
}

const DEFAULT_TIMEOUT_MS = 5 * 60 * 1000;
const DEFAULT_RETRIES = 2;

/** Keys of a request that are not the caller's to set: a second answer (`n`) would be paid for and thrown away. */
const OWN_KEYS = ["model", "messages", "tools", "stream", "n"];

const options = z
  .strictObject({
    model: id,
    client: z
      .custom<OpenAI>(
        (value) => typeof (value as Partial<OpenAI> | undefined)?.chat?.completions?.create === "function",
        {
          error: "must be a client of openai",
        },
      )
      .optional(),
    baseURL: z.url({ protocol: /^https?$/, error: "must be a URL of http or https" }).optional(),
    apiKey: z.string().min(1).optional(),
    provider: id.optional(),
    stream: z.boolean().optional(),
    timeoutMs: z.number().int().positive().max(LONGEST_TIMER_MS).optional(),
    maxRetries: z.number().int().nonnegative().max(100).optional(),
    temperature: z.number().nonnegative().optional(),
    maxTokens: z.number().int().positive().optional(),
    extraBody: z.record(z.string(), z.unknown()).optional(),
    headers: z.record(z.string(), z.string()).optional(),
  })
  .superRefine(({ client, baseURL, apiKey, extraBody = {} }, context) => {
    const refuse = (path: string[], message: string): void => context.addIssue({ code: "custom", path, message });
    if (client && baseURL !== undefined) refuse(["baseURL"], "is given beside client: give one of them");
    if (client && apiKey !== undefined) refuse(["apiKey"], "is given beside client: give one of them");
    if (!client && baseURL === undefined && apiKey === undefined && !process.env.OPENAI_API_KEY) {
      refuse(["apiKey"], "is required: give it, a client or a baseURL, or set OPENAI_API_KEY");
    }
    for (const key of OWN_KEYS.filter((one) => Object.hasOwn(extraBody, one))) {
      refuse(["extraBody", key], "is set by the chat itself");
    }
  });

/**
 * The options, checked and filled in.
 * @throws {LedgerError} LG001 with the path and the rule.
 */
export function settingsOf(given: RouterChatOptions): RouterSettings {
  const { client, baseURL, apiKey, stream, timeoutMs, maxRetries, ...rest } = parse(options, given, "options");
  return {
    ...rest,
    client: client ? async () => client : once(() => clientOf(baseURL, apiKey)),
    stream: stream ?? false,
    timeoutMs: timeoutMs ?? client?.timeout ?? DEFAULT_TIMEOUT_MS,
    maxRetries: maxRetries ?? client?.maxRetries ?? DEFAULT_RETRIES,
  };
}

/** A client. Given a base URL, nothing that the environment holds for OpenAI is sent there. */
async function clientOf(baseURL: string | undefined, apiKey: string | undefined): Promise<OpenAI> {
  const { OpenAI } = await import("openai");
  // Whatever goes wrong is thrown and told there: the client's own log would tell it twice.
  const quiet = { logLevel: "off" } as const;
  if (baseURL === undefined) return new OpenAI({ ...quiet, ...(apiKey !== undefined && { apiKey }) });
  const foreign = { ...quiet, baseURL, organization: null, project: null, adminAPIKey: null };
  if (apiKey !== undefined) return new OpenAI({ ...foreign, apiKey });
  // A client has to have a key, sent or not.
  return new OpenAI({ ...foreign, apiKey: "none", defaultHeaders: { Authorization: null } });
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
