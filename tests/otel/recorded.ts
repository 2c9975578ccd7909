/** Spans as a real SDK records them. */
import { type Attributes, SpanStatusCode } from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";

/** A provider that keeps what it is told. */
export function recording() {
  const exporter = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  return { tracerProvider, spans: () => exporter.getFinishedSpans() };
}

/** A span as a line: its name, the node or turn that it is of, and the lines of those below it, in the order of their beginning. */
export interface Told {
  readonly span: string;
  readonly below: readonly Told[];
}

/** The tree of spans; those whose parent is not among them are its roots. */
export function treeOf(spans: readonly ReadableSpan[]): Told[] {
  const known = new Set(spans.map((span) => span.spanContext().spanId));
  const told = (span: ReadableSpan): Told => ({ span: nameOf(span), below: below(span.spanContext().spanId) });
  const below = (id: string): Told[] => spans.filter((span) => span.parentSpanContext?.spanId === id).map(told);
  return spans.filter(({ parentSpanContext: above }) => !above || !known.has(above.spanId)).map(told);
}

/** `agent.turn r 0`, `agent.child r:s0 down`: with ! where it has failed. */
function nameOf({ name, attributes, status }: ReadableSpan): string {
  const what = attributes["agent_ledger.turn.number"] ?? attributes["agent_ledger.status"];
  const parts = [name, attributes["agent_ledger.node.id"], what].filter((part) => part !== undefined);
  return `${parts.join(" ")}${status.code === SpanStatusCode.ERROR ? " !" : ""}`;
}

/** The attributes of the span of a node: its run's, or its own as a child. */
export function attributesOf(spans: readonly ReadableSpan[], nodeId: string): Attributes {
  const span = spans.find(
    ({ name, attributes }) => name !== "agent.turn" && attributes["agent_ledger.node.id"] === nodeId,
  );
  if (!span) throw new Error(`no span of ${nodeId}`);
  return span.attributes;
}
