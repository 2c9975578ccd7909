/** One form for one value, so that equal artifacts have equal digests: RFC 8785 (JSON Canonicalization Scheme). */
import canonicalize from "canonicalize";
import { LedgerError } from "./errors.js";

/** What can be read again at once, whoever reads it: 64 MiB. */
const MOST_BYTES = 64 * 1_024 * 1_024;

/**
 * The canonical JSON text of a value.
 * @throws {LedgerError} LG001 where the value has no JSON form, or one that is not unique: nothing, a number that is not finite, a
 *   bigint, a function, half of a surrogate pair, a cycle; and where it has more than 64 MiB.
 */
export function canonicalJson(value: unknown): string {
  try {
    const text = JSON.stringify(value, finite);
    if (text === undefined) throw new TypeError("nothing, or a function");
    const bytes = Buffer.byteLength(text);
    if (bytes > MOST_BYTES) throw tooLarge(bytes);
    return String(canonicalize(JSON.parse(text)));
  } catch (error) {
    if (error instanceof LedgerError) throw error;
    const rule = `must have one JSON form: ${error instanceof Error ? error.message : String(error)}`;
    throw new LedgerError("LG001", `value ${rule}`, { detail: { path: "value", rule }, cause: error });
  }
}

function tooLarge(bytes: number): LedgerError {
  const rule = `must have at most ${MOST_BYTES} bytes of JSON, not ${bytes}: keep it elsewhere, and give what names it`;
  return new LedgerError("LG001", `value ${rule}`, { detail: { path: "value", rule } });
}

/** JSON itself would write null. */
function finite(_key: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`${value} is no number of JSON`);
  return value;
}
