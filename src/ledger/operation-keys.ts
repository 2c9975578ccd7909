/** Options of the typed surface as the keys of an operation. */
import type { z } from "zod";
import type * as schemas from "./schemas.js";
import { lineSpend } from "./spend.js";
import type { WaitOptions } from "./waiting.js";

/** What every write may carry. */
export type PlainOptions = z.output<typeof schemas.plainOptions>;

/** Which call it was, its tools, and what else is kept with it, beside what every write may carry. */
export type CallOptions = z.output<typeof schemas.callOptions>;

/** The keys that every operation may carry. */
export function anyKeys({ effectiveAt, tags }: PlainOptions): Record<string, unknown> {
  return { effective_at: effectiveAt, tags };
}

/** How long to wait for its answer, which is nothing of the operation. */
export function waitOf({ signal, timeoutMs }: PlainOptions): WaitOptions {
  return { signal, timeoutMs };
}

/** What every operation may carry, apart from the keys of a call. */
export function split(options: CallOptions): { any: PlainOptions; call: Record<string, unknown> } {
  const { provider, model, providerRequestId, purpose, lines, toolCalls, toolResults, detail, ...any } = options;
  return {
    any,
    call: {
      provider,
      model,
      provider_request_id: providerRequestId,
      purpose,
      lines: lines?.map(lineSpend),
      tool_calls: toolCalls,
      tool_results: toolResults,
      detail,
    },
  };
}
