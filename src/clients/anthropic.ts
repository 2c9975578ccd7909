/** The client of Anthropic, metered. */
import type { BudgetPool } from "../ledger/budget-pool.js";
import { LedgerError } from "../ledger/errors.js";
import type { MeteringOptions, ToolOutcome } from "../metering/metered-call.js";
import { checkedOptions } from "../metering/options.js";
import { type ModelCall, meteredFetch } from "./fetch.js";
import { bodyOf, modelIn, promptOf, providerAt, tokensIn } from "./request.js";
import { wrap } from "./wrap.js";

/** How a client of Anthropic is metered. */
export type MeterAnthropicOptions = MeteringOptions;

/** What is asked of the client: the official one is. */
export interface AnthropicClient {
  readonly messages: object;
  withOptions(options: object): unknown;
}

/**
 * The same client, on a budget: each request for a message is a leaf of the pool, reserved and dispatched before it is sent, settled with
 * what the answer said it used before the program sees its end. That holds for `messages` and `beta.messages` in every way of calling
 * (`create`, `parse`, `stream`, `toolRunner`, `.withResponse()`, `.asResponse()`); each attempt of the client's own retries is a call of
 * its own. The given client is left as it is, unmetered, and the program gets what the provider sends, byte for byte. One that this pool
 * meters already is answered with the new options instead of its own, each request still one call.
 *
 * The provider is `anthropic` in the journal and the price book, or that of a known host (Azure), unless `provider` says another.
 *
 * Not metered: everything else, such as `countTokens`, which is free, batches, files, and agents that the provider runs (sessions). Clients
 * of Bedrock and Vertex speak another wire format: their calls fail with LG001 instead of going unmetered.
 * A stream that is neither read to its end nor left nor aborted is charged its ceilings when its lease has passed.
 * @throws {LedgerError} LG001, also where another pool meters the client: give each pool the plain one. The calls throw `CallRefusedError` where the pool cannot pay, also out of the client's helpers: nothing was
 * sent then, nor tried again. Another error of the ledger, such as LG001 for a model without a price, is in the `cause` of what helpers throw.
 */
export function meterAnthropic<Client extends AnthropicClient>(
  client: Client,
  pool: BudgetPool,
  options: MeterAnthropicOptions = {},
): Client {
  const checked = checkedOptions(options);
  return wrap(client, {
    parts: ["messages"],
    made: "new Anthropic()",
    pool,
    metered: (fetch) => meteredFetch(fetch, { pool, options: checked, recognize: callOf }),
  });
}

const MESSAGES = /\/v1\/messages$/;

/** Calls of models by way of Vertex and Bedrock. */
const ELSEWHERE = /:(?:streamR|r)awPredict$|\/model\/[^/]+\/(?:invoke|converse)/;

const PROMPT = ["messages", "system", "tools", "output_config", "output_format"] as const;

function callOf(url: URL, init: RequestInit): ModelCall | undefined {
  if (init.method?.toUpperCase() !== "POST") return undefined;
  if (ELSEWHERE.test(url.pathname)) {
    const rule = "must be one of Anthropic's own API: the wire formats of Bedrock and Vertex are not metered here";
    throw new LedgerError("LG001", `client: ${rule}`, { detail: { path: "client", rule } });
  }
  if (!MESSAGES.test(url.pathname)) return undefined;
  const body = bodyOf(init);
  return {
    asked: {
      provider: providerAt(url, "anthropic"),
      model: modelIn(body),
      ...promptOf(PROMPT.map((key) => body[key])),
      maxOutputTokens: tokensIn(body.max_tokens),
      toolResults: outcomesIn(body.messages),
    },
    format: "anthropic",
    streamed: body.stream === true,
    choices: 1,
    deferred: false,
  };
}

/** How the tools ended that the model asked for in its last answer. What came before was told with earlier calls. */
function outcomesIn(messages: unknown): ToolOutcome[] {
  if (!Array.isArray(messages)) return [];
  const latest = messages.slice(messages.findLastIndex((message) => message?.role === "assistant") + 1);
  return latest.flatMap((message) => (Array.isArray(message?.content) ? message.content.flatMap(outcomeOf) : []));
}

function outcomeOf(block: unknown): ToolOutcome[] {
  if (typeof block !== "object" || block === null || !("tool_use_id" in block)) return [];
  const { type, tool_use_id: id, is_error } = block as Readonly<Record<string, unknown>>;
  if (type !== "tool_result" || typeof id !== "string") return [];
  return [{ id, status: is_error === true ? "error" : "ok" }];
}
