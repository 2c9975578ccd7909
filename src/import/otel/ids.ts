/** Ids of what is booked of spans: the same span has the same in every import. Trace and span ids are hex, of fixed length. */

/** The run of a trace is called as the trace is. */
export function runOf(trace: string): string {
  return trace;
}

/** The operation that opens it. */
export function openId(trace: string): string {
  return `otel:${trace}`;
}

/** The operation that books a span. */
export function spanOperation(trace: string, span: string): string {
  return `otel:${trace}:${span}`;
}

/** The operation that takes a booked span back to nothing, because a call below it is counted. */
export function wrapperOperation(trace: string, span: string): string {
  return `otel:${trace}:${span}:wrapper`;
}
