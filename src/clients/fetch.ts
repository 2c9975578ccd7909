/** `fetch` with a ledger: reserve, dispatch, ask, and settle with what the answer says. */
import type { BudgetPool } from "../ledger/budget-pool.js";
import { beginCall, type CallAsked, type MeteredCall, type MeteringOptions } from "../metering/metered-call.js";
import { neverSent } from "../metering/never-sent.js";
import { notTaken } from "../metering/not-taken.js";
import type { CallReport, UsageFormat } from "../usage/usage.js";
import { readAnswer } from "./answer.js";
import { meteredBody, webStreamOf } from "./body.js";
import { withhold } from "./withheld.js";

/** As the clients take it. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** A request that is a call of a model. */
export interface ModelCall {
  readonly asked: CallAsked;
  readonly format: UsageFormat;
  readonly streamed: boolean;
  /** Answers side by side that are asked for, each with an end of its own. */
  readonly choices: number;
  /** The answer comes later, where nobody meters it; the one that comes now is not whole. */
  readonly deferred: boolean;
  /** A whole answer as its format would put it, where it is put otherwise. */
  readonly inFormat?: ((body: object) => object) | undefined;
  /** Sent instead of the program's body: it asks for the usage of a stream. The piece that tells it is kept from the program. */
  readonly body?: string | undefined;
}

/** What of a request is a call of a model; undefined where it is none. */
export type Recognize = (url: URL, init: RequestInit) => ModelCall | undefined;

/** Whose budget pays, and how. */
export interface Meter {
  readonly pool: BudgetPool;
  readonly options: MeteringOptions;
  readonly recognize: Recognize;
}

/** The `fetch` that meters calls of models, each attempt as one, and leaves everything else alone. */
export function meteredFetch(fetch: Fetch, { pool, options, recognize }: Meter): Fetch {
  return async (input, init = {}) => {
    let begun: readonly [ModelCall, MeteredCall] | undefined;
    try {
      const call = recognize(new URL(input instanceof Request ? input.url : input), init);
      init.signal?.throwIfAborted();
      if (call) begun = [call, await beginCall(pool, call.asked, options, init.signal)];
    } catch (error) {
      if (init.signal?.aborted) throw error;
      return withhold(error);
    }
    return begun ? ask(fetch, input, init, ...begun) : fetch(input, init);
  };
}

async function ask(
  fetch: Fetch,
  input: Parameters<Fetch>[0],
  init: RequestInit,
  call: ModelCall,
  metered: MeteredCall,
): Promise<Response> {
  const { signal } = init;
  if (signal?.aborted) {
    await metered.failed("aborted before it was sent", undefined, true);
    signal.throwIfAborted();
  }
  let response: Response;
  try {
    response = await fetch(input, call.body === undefined ? init : { ...init, body: call.body });
  } catch (error) {
    await metered.failed(kindOf(error), undefined, neverSent(error));
    throw error;
  }
  try {
    if (response.ok) return await heard(response, call, metered, signal);
    await metered.failed(`status ${response.status}`, undefined, notTaken(response.status));
  } catch {
    // No response that can be heard on its way: it was paid for, and the program has it as it is.
    await metered.failed("the answer could not be heard");
  }
  return response;
}

/** The same response, whose body is metered while the program reads it. Where it throws, nothing of the body is touched. */
async function heard(
  response: Response,
  call: ModelCall,
  metered: MeteredCall,
  signal: AbortSignal | null | undefined,
): Promise<Response> {
  const isWhole = !call.streamed || /\bjson\b/.test(response.headers.get("content-type") ?? "");
  const answer = readAnswer(call, isWhole);
  const settle = ({ broken, stopped }: Ending): Promise<void> => {
    const heard = answer.report();
    const report: CallReport = call.deferred && broken === undefined ? { ...heard, complete: true } : heard;
    if (report.complete || stopped) return metered.answered(report);
    return metered.failed(broken === undefined ? "the answer broke off" : kindOf(broken), report);
  };
  if (!response.body) {
    await settle({});
    return response;
  }
  const { status, statusText, url, redirected } = response;
  const headers = new Headers(response.headers);
  // A piece of it may be kept back.
  if (call.body !== undefined) headers.delete("content-length");
  const body = meteredBody(webStreamOf(response.body), { answer, settle, signal });
  const same = new Response(body, { status, statusText, headers });
  // What a response says of itself and its constructor cannot set.
  return Object.defineProperties(same, { url: { value: url }, redirected: { value: redirected } });
}

/** How a body came to its end: by itself, broken, or because the program wanted no more of it. */
export interface Ending {
  readonly broken?: unknown;
  readonly stopped?: boolean;
}

/** What went wrong, without words that may repeat the prompt. */
function kindOf(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  const cause = error instanceof Error ? error.cause : undefined;
  const code = typeof cause === "object" && cause !== null ? Reflect.get(cause, "code") : undefined;
  return [name, code].filter((word) => typeof word === "string" && /^[\w.-]{1,100}$/.test(word)).join(" ") || "error";
}
