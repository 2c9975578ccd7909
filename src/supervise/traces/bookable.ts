/** Names and ids in the form in which the ledger takes them. A watcher compares them in it too, and so finds what SQL finds. */
import { referenceOf } from "../../ledger/artifacts.js";

/** The ledger's rule for ids and names of tools: 1 to 200 characters, none of them control characters. */
const LONGEST = 200;
const UNBOOKABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** A text by that rule: what it may not hold is replaced, and what is too long ends in a digest of the whole. */
export function bookableText(text: string): string {
  if (text.length <= LONGEST) return text.replaceAll(UNBOOKABLE, "\ufffd");
  const digest = referenceOf(Buffer.from(text));
  return `${text.slice(0, LONGEST - digest.length - 1)}~${digest}`.replaceAll(UNBOOKABLE, "\ufffd");
}
