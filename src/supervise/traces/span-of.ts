/** A span as somebody hands it over, taken apart once: what it has is read now, and never again. */
import { field, text } from "./decoders.js";
import type { ToolSpan } from "./span.js";

/** Why something is no span. */
export const NO_SPAN = "that is no tool span: it has no name, or cannot be read";

/** The span in that; undefined where it has no name or cannot be read. A status that is none of the two is none. */
export function spanOf(value: unknown): ToolSpan | undefined {
  try {
    const name = text(field(value, "name"));
    if (name === undefined) return undefined;
    const { args, status, start, end, error, result, id } = value as ToolSpan;
    const from = time(start) ?? Date.now();
    return {
      name,
      args,
      ...(status === "ok" || status === "error" ? { status } : {}),
      start: from,
      end: time(end) ?? from,
      ...(error === undefined ? {} : { error }),
      ...(result === undefined ? {} : { result }),
      ...(text(id) === undefined ? {} : { id }),
    };
  } catch {
    return undefined;
  }
}

function time(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
