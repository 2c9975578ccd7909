/**
 * The usage that the AI SDK states, as a spend. Beside it stands what the provider itself said, where that can be read: it has the cost, the
 * cache that is kept for an hour, and shows where a 0 of the SDK's was said by nobody.
 */
import type { JSONValue, LanguageModelV3Usage, SharedV3ProviderMetadata } from "@ai-sdk/provider";
import { sum } from "../ledger/amounts.js";
import type { Amount, Spend } from "../ledger/protocol.js";
import { dollars } from "../ledger/schemas.js";
import { usageOf } from "../usage/report.js";
import { spendOf, tellsTokens } from "../usage/rule.js";
import type { UsageFormat } from "../usage/usage.js";

/** Usage as models of specification version 2 state it. */
interface UsageV2 {
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  readonly reasoningTokens?: number | undefined;
  readonly cachedInputTokens?: number | undefined;
}

/** What is said at the end of a call. */
export interface Said {
  readonly usage: LanguageModelV3Usage | UsageV2 | undefined;
  readonly providerMetadata: SharedV3ProviderMetadata | undefined;
}

/**
 * The spend of a call that came to its end.
 * @param told what the provider's own answer says, where it could be read.
 */
export function spendSaid(format: UsageFormat | undefined, { usage, providerMetadata }: Said, told?: Spend): Spend {
  const raw = told ?? rawSpend(format, usage);
  const { usd: receipt, ...own } = raw ?? {};
  // Where the provider's own usage could be read, that it has no receipt is its last word.
  const usd = receipt ?? gatewayCost(providerMetadata) ?? (tellsTokens(own) ? undefined : routerCost(providerMetadata));
  const stated = raw ? said(statedBy(usage), own) : statedBy(usage);
  return { ...wider(stated, own), ...(usd !== undefined && { usd }) };
}

/** Without the zeros that stand for what the provider did not say. */
function said(stated: Spend, own: Spend): Spend {
  const zeros = (["input_tokens", "output_tokens"] as const).filter((count) => stated[count] === 0 && !(count in own));
  return Object.fromEntries(Object.entries(stated).filter(([count]) => !zeros.some((zero) => zero === count)));
}

/**
 * Of the same wholes the provider tells more parts. Where the SDK has others it has added up what the provider lists apart (Anthropic's
 * compaction of a prompt on the way), unless what the provider says is known to be a lower bound.
 */
function wider(stated: Spend, own: Spend): Spend {
  if (own.tokens_known === false) return own;
  const isWhole = stated.input_tokens !== undefined && stated.output_tokens !== undefined;
  const isSame = stated.input_tokens === own.input_tokens && stated.output_tokens === own.output_tokens;
  return isSame || (!isWhole && tellsTokens(own)) ? own : stated;
}

/** The form of OpenAI's usage with a cost in it is a router's: where one is stated, it is a receipt. */
export function readingFormat(format: UsageFormat): UsageFormat {
  return format === "openai-chat" ? "openrouter" : format;
}

function rawSpend(format: UsageFormat | undefined, usage: Said["usage"]): Spend | undefined {
  const raw = usage && "raw" in usage ? usage.raw : undefined;
  return format && raw ? usageOf(readingFormat(format), raw) : undefined;
}

function statedBy(usage: Said["usage"]): Spend {
  if (!usage) return {};
  const { inputTokens: input, outputTokens: output } = usage;
  if (typeof input === "object" && typeof output === "object") {
    return spendOf({
      input: [counted(input.total)],
      output: [counted(output.total)],
      cacheRead: counted(input.cacheRead),
      cacheWrite: counted(input.cacheWrite),
      reasoning: counted(output.reasoning),
    });
  }
  const { inputTokens, outputTokens, cachedInputTokens, reasoningTokens } = usage as UsageV2;
  return spendOf({
    input: [counted(inputTokens)],
    output: [counted(outputTokens)],
    cacheRead: counted(cachedInputTokens),
    reasoning: counted(reasoningTokens),
  });
}

/** NaN stands for what was said and is no count. */
function counted(value: number | null | undefined): number | undefined {
  if (value === undefined || value === null) return undefined;
  return Number.isSafeInteger(value) && value >= 0 ? value : Number.NaN;
}

/** The receipt that Vercel's gateway states beside the usage. */
function gatewayCost(metadata: SharedV3ProviderMetadata | undefined): Amount | undefined {
  return receiptOf(metadata?.gateway?.cost);
}

/**
 * The receipt that OpenRouter's provider states beside the usage. For a call with a key of the user's own the router's cost is its fee, and
 * the provider's price comes on top, unknown where it is not told. A fee is a share of the price: where nothing says whose key it was, a
 * price above the cost does.
 */
function routerCost(metadata: SharedV3ProviderMetadata | undefined): Amount | undefined {
  const used = metadata?.openrouter?.usage;
  if (!isObject(used)) return undefined;
  const cost = receiptOf(used.cost);
  const upstream = isObject(used.costDetails) ? receiptOf(used.costDetails.upstreamInferenceCost) : undefined;
  if (cost === undefined) return undefined;
  const isOwnKey = used.isByok ?? used.is_byok ?? (upstream !== undefined && Number(upstream) > Number(cost));
  if (isOwnKey !== true) return cost;
  return upstream === undefined ? undefined : sum([cost, upstream]);
}

function receiptOf(cost: JSONValue | undefined): Amount | undefined {
  const { data } = dollars.safeParse(cost);
  return data;
}

function isObject(value: JSONValue | undefined): value is Record<string, JSONValue | undefined> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
