/** What of a trace goes into the ledger: names, ids, digests of arguments, how calls ended. Never an argument or a result. */
import type { ToolCall } from "../../ledger/protocol.js";
import { digestOfArguments } from "../../ledger/tool-arguments.js";
import { bookableText } from "./bookable.js";
import { Sightings } from "./sightings.js";
import type { ToolSpan } from "./span.js";
import { spanOf } from "./span-of.js";

/**
 * The tool calls of these spans, in their order, one per id: `pool.observe(spend, { toolCalls: toolCallsOf(spans) })`. Booked in order in one pool,
 * `ledger.tool_findings` finds what `analyzeTrace` finds. Arguments without a canonical form are left out: such a call equals no other. One operation
 * takes at most 1,000 calls. What is no span is left out.
 */
export function toolCallsOf(spans: Iterable<ToolSpan>): ToolCall[] {
  const sightings = new Sightings();
  return Array.from(spans, spanOf).flatMap((span) => {
    if (!span || !sightings.first(span.id)) return [];
    const digest = digestOfArguments(span.args);
    return {
      name: bookableText(span.name),
      ...(span.id === undefined ? {} : { id: bookableText(span.id) }),
      ...(digest === undefined ? {} : { arguments: digest }),
      ...(span.status === undefined ? {} : { status: span.status }),
    };
  });
}
