/** Reasons as the ledger keeps them: text for people, of a bounded length. */
import { LedgerError } from "../../ledger/errors.js";

/** As many characters as fit beside everything else of a row. */
const LONGEST = 2_000;

/** The text of whatever was thrown or an abort gave as its reason. Never throws, whatever that is. */
export function reasonOf(thrown: unknown): string {
  const kept = storable(textOf(thrown).slice(0, LONGEST));
  return kept === "" ? "no reason was given" : kept;
}

/** Without what Postgres cannot store: the character 0, and halves of surrogate pairs, which a cut may leave too. */
export function storable(text: string): string {
  return text.replaceAll("\0", "").replace(/\p{Cs}/gu, "\ufffd");
}

/** Whether the ledger said so, not the work. Never throws either. */
export function isOfLedger(thrown: unknown): boolean {
  try {
    return thrown instanceof LedgerError;
  } catch {
    return false;
  }
}

/** Whether a repetition may cure it: the ledger could not be reached, or not for long enough. */
export function isPassing(thrown: unknown): thrown is LedgerError {
  return isOfLedger(thrown) && (thrown as LedgerError).retryable;
}

/** Of an error its message, which clients of APIs also set to what is no text; getters and proxies of it may throw themselves. */
function textOf(value: unknown): string {
  try {
    if (!(value instanceof Error)) return plainTextOf(value);
    const { message } = value;
    return plainTextOf(message === undefined || message === "" ? value.name : message);
  } catch {
    return "a reason that cannot be read";
  }
}

function plainTextOf(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
