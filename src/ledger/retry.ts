/** Doing a call again: bounded, with full jitter, only what a repetition can cure. */
import { backOff } from "exponential-backoff";
import { kindOf, ledgerError } from "./errors.js";

/** How long to go on. */
export interface Patience {
  /** Attempts at a call that lost against other transactions. */
  readonly conflicts: number;
  /** For how long a connection that was lost is looked for again. */
  readonly connectionMs: number;
}

/** What is enough for a restart of the server with recovery, and for any contention the ledger's locks leave over. */
export const PATIENCE: Patience = { conflicts: 30, connectionMs: 30_000 };

/** How often calls were repeated, by reason. */
export interface RetryCounts {
  conflict: number;
  connection: number;
}

const STARTING_DELAY_MS = 10;
const MAX_DELAY_MS = 1_000;

/**
 * Runs `attempt` until it succeeds, fails for good, or patience ends. Throws the last error as it came.
 */
export async function retrying<T>(
  attempt: () => Promise<T>,
  counts: RetryCounts,
  patience: () => Patience,
  kind: (error: unknown) => ReturnType<typeof kindOf> = kindOf,
): Promise<T> {
  const since = performance.now();
  let conflicts = 0;
  const again = (error: unknown): boolean => {
    const { conflicts: most, connectionMs } = patience();
    const reason = kind(error);
    if (reason === "final") return false;
    if (reason === "conflict" && ++conflicts >= most) return false;
    if (reason === "connection" && performance.now() - since >= connectionMs) return false;
    counts[reason] += 1;
    return true;
  };
  return backOff(attempt, {
    jitter: "full",
    startingDelay: STARTING_DELAY_MS,
    maxDelay: MAX_DELAY_MS,
    numOfAttempts: Number.MAX_SAFE_INTEGER,
    retry: again,
  });
}

/** The same for calls whose errors are all the database's: they come out as the ledger's. */
export async function retryingCall<T>(
  attempt: () => Promise<T>,
  counts: RetryCounts,
  patience: () => Patience,
): Promise<T> {
  return retrying(attempt, counts, patience).catch((error: unknown): never => {
    throw ledgerError(error);
  });
}
