/** Exports of OTLP as JSON has them. */
import { type Export, readExport } from "../../../src/import/otel/shapes.js";

/** A trace id made of one digit. */
export const traceId = (digit: string): string => digit.repeat(32);
/** A span id made of one digit. */
export const spanId = (digit: string): string => digit.repeat(16);

/** When the spans of these tests are: in the past of every clock. */
export const START_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

/** Attributes of a call that states its tokens. */
export const chat = (input: number, output: number, more: object = {}): object => ({
  "gen_ai.operation.name": "chat",
  "gen_ai.provider.name": "openai",
  "gen_ai.request.model": "gpt-x",
  "gen_ai.usage.input_tokens": input,
  "gen_ai.usage.output_tokens": output,
  ...more,
});

/** A span that took a second; `id` and `parent` are digits. */
export function span(
  trace: string,
  id: string,
  parent: string | undefined,
  attributes: object,
  more: object = {},
): object {
  return {
    traceId: traceId(trace),
    spanId: spanId(id),
    ...(parent !== undefined && { parentSpanId: spanId(parent) }),
    name: "chat gpt-x",
    kind: 3,
    startTimeUnixNano: `${START_MS}000000`,
    endTimeUnixNano: `${START_MS + 1_000}000000`,
    attributes: Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) })),
    events: [
      { name: "gen_ai.content.prompt", attributes: [{ key: "gen_ai.prompt", value: { stringValue: "SECRET" } }] },
    ],
    status: {},
    ...more,
  };
}

function anyValue(value: unknown): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  return typeof value === "number" && Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** An export of these spans, of one service. */
export function exportOf(spans: readonly object[], service = "shop"): object {
  const attributes = [{ key: "service.name", value: { stringValue: service } }];
  return { resourceSpans: [{ resource: { attributes }, scopeSpans: [{ scope: { name: "test" }, spans }] }] };
}

/** The same, read. */
export function read(...spans: object[]): Export {
  const found = readExport(exportOf(spans));
  if ("problem" in found) throw new Error(found.problem);
  return found;
}
