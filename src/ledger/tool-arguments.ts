/** What the ledger keeps of a tool's arguments: their digest, by which equal ones are equal, and never their text. */
import { referenceOf } from "./artifacts.js";
import { canonicalJson } from "./canonical-json.js";

/** `sha256:<hex>` of the arguments' canonical JSON (RFC 8785); undefined where they are not stated, or have no such form. */
export function digestOfArguments(args: unknown): string | undefined {
  if (args === undefined) return undefined;
  try {
    return referenceOf(Buffer.from(canonicalJson(args)));
  } catch {
    return undefined;
  }
}
