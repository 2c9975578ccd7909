/** One form for one value, so that equal artifacts have equal digests: RFC 8785 (JSON Canonicalization Scheme). */
import canonicalize from "canonicalize";
import { LedgerError } from "./errors.js";

/**
 * The canonical JSON text of a value.
 * @throws {LedgerError} LG001 where the value has no JSON form, or one that is not unique: nothing, a number that is not finite, a
 *   bigint, a function, half of a surrogate pair, a cycle.
 */
export function canonicalJson(value: unknown): string {
  try {
    const text = JSON.stringify(value, finite);
    if (text === undefined) throw new TypeError("nothing, or a function");
    return String(canonicalize(JSON.parse(text)));
  } catch (error) {
    const rule = `must have one JSON form: ${error instanceof Error ? error.message : String(error)}`;
    throw new LedgerError("LG001", `value ${rule}`, { detail: { path: "value", rule }, cause: error });
  }
}

/** JSON itself would write null. */
function finite(_key: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`${value} is no number of JSON`);
  return value;
}
