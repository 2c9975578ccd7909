/** Whether a request never left: the failures after which it is known that nothing was used. */
import { LedgerError } from "../ledger/errors.js";
import { CallRefusedError } from "./call-refused.js";

/** Codes of connections that were never made. */
const NEVER_CONNECTED: readonly unknown[] = ["EAI_AGAIN", "ECONNREFUSED", "ENOTFOUND", "UND_ERR_CONNECT_TIMEOUT"];

/** How deep causes are looked at. */
const DEPTH = 4;

/**
 * Whether an error, or what caused it, is a connection that was never made, or the ledger's: a call that meets a ledger on its way too meets
 * it before it is sent.
 */
export function neverSent(error: unknown, depth = 0): boolean {
  if (typeof error !== "object" || error === null || depth === DEPTH) return false;
  if (error instanceof CallRefusedError || error instanceof LedgerError) return true;
  return NEVER_CONNECTED.includes(Reflect.get(error, "code")) || neverSent(Reflect.get(error, "cause"), depth + 1);
}
