/** What is booked of a span: a call with what it used, or a tool that was called. Names, counts and digests; no texts. */
import { referenceOf } from "../../ledger/artifacts.js";
import { canonicalJson } from "../../ledger/canonical-json.js";
import type { Operation } from "../../ledger/protocol.js";
import { operationSpend } from "../../ledger/spend.js";
import { GEN_AI, GENERAL, OPERATION, OTHER } from "../../otel/names.js";
import { tellsTokens } from "../../usage/rule.js";
import { AI_OPERATION, isEmbedding } from "./kinds.js";
import { identifierOf, nameOf, textOf } from "./naming.js";
import { providerOf } from "./provider.js";
import type { Span } from "./shapes.js";
import { usageOf } from "./usage.js";
import { wholeValue } from "./values.js";

/** A span that is to be booked. */
export interface Booking {
  readonly span: Span;
  readonly kind: "call" | "tool";
  /** Whether it states tokens: then the calls above it are wrappers, which state them once more. */
  readonly stated: boolean;
  /** Whether it is a call for an embedding. */
  readonly embeds: boolean;
  /** Of what is booked, whenever it is and wherever. */
  readonly digest: string;
  /** The operation but for its pool, its instant, and where the span stands. */
  readonly content: Readonly<Record<string, unknown>>;
}

/** What is booked of a call. What it does not state is unknown. */
export function callOf(span: Span): Booking {
  const { attributes } = span;
  const spend = usageOf(span);
  const failed = isFailed(span);
  return booking(span, "call", tellsTokens(spend) && spend.input_tokens !== undefined, {
    purpose: failed ? "failed" : "turn",
    provider: providerOf(attributes),
    model: nameOf(attributes, [GEN_AI.responseModel, GEN_AI.requestModel, "ai.response.model", "ai.model.id"]),
    provider_request_id: nameOf(attributes, [GEN_AI.responseId, "ai.response.id"]),
    spend: operationSpend({ ...spend, ...duration(span) }, { iterations: 0 }),
  });
}

/** A tool whose name is not told, or is no name. The span's own may hold what the tool was given. */
const NAMELESS = "tool";

/** What is booked of a tool: that it was called, and how it ended. It used no tokens and no dollars of a provider's. */
export function toolOf(span: Span): Booking {
  const { attributes } = span;
  const tool = {
    name: identifierOf(attributes, [GEN_AI.toolName, "ai.toolCall.name"]) ?? NAMELESS,
    id: nameOf(attributes, [GEN_AI.toolCallId, "ai.toolCall.id"]),
    arguments: argumentsOf(span),
    status: isFailed(span) ? "error" : "ok",
  };
  const spend = { input_tokens: 0, output_tokens: 0, usd: 0, ...duration(span) };
  return booking(span, "tool", false, {
    purpose: "tool",
    tool_calls: [withoutNothing(tool)],
    spend: operationSpend(spend, { iterations: 0 }),
  });
}

/** The operation that books it in a pool. `above`: spans above it, as far as they are known. */
export function operationOf(
  { span, content, digest, stated }: Booking,
  operation: { readonly operation_id: string; readonly pool_id: string },
  above: readonly string[],
): Operation {
  const { trace, id, endMs } = span;
  const detail = { ...(content.detail as object), trace, span: id, above, stated, digest };
  const at = endMs === undefined ? {} : { effective_at: new Date(endMs).toISOString() };
  return { op: "meter", ...operation, ...at, ...content, detail: { otel: detail } };
}

function booking(span: Span, kind: Booking["kind"], stated: boolean, content: Record<string, unknown>): Booking {
  const { attributes, service } = span;
  const agent = nameOf(attributes, [GEN_AI.agentName]);
  const tags = withoutNothing({ service: textOf(service), agent });
  const operation =
    identifierOf(attributes, [GEN_AI.operation, AI_OPERATION]) ?? (kind === "tool" ? OPERATION.executeTool : undefined);
  const detail = withoutNothing({
    operation,
    error: attributes.has(GENERAL.errorType) ? (identifierOf(attributes, [GENERAL.errorType]) ?? OTHER) : undefined,
  });
  const whole = withoutNothing({ ...content, ...(Object.keys(tags).length > 0 && { tags }), detail });
  return { span, kind, stated, embeds: isEmbedding(operation), digest: digestOf(whole), content: whole };
}

function isFailed({ failed, attributes }: Span): boolean {
  return failed || attributes.has(GENERAL.errorType);
}

function duration({ startMs, endMs }: Span): { readonly ms?: number } {
  return startMs !== undefined && endMs !== undefined && endMs >= startMs ? { ms: endMs - startMs } : {};
}

/** The digest of a tool's arguments, where the span has them. Text that is JSON is what it says. */
function argumentsOf({ given }: Span): string | undefined {
  const value = wholeValue(given.get(GEN_AI.toolCallArguments) ?? given.get("ai.toolCall.args"));
  if (value === undefined) return undefined;
  try {
    return digestOf(typeof value === "string" ? JSON.parse(value) : value);
  } catch {
    return typeof value === "string" ? digestOf(value.replaceAll(/\p{Cs}/gu, "\uFFFD")) : undefined;
  }
}

function digestOf(value: unknown): string {
  return referenceOf(Buffer.from(canonicalJson(value)));
}

function withoutNothing(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
