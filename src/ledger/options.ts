/** What `createLedger` takes, and what a ledger tells of itself. */
import type pg from "pg";
import { LedgerError } from "./errors.js";
import type { RetryCounts } from "./retry.js";

/** Where the ledger is and whose it is. */
export interface LedgerOptions {
  /** `postgres://user:password@host:port/database`. Without it and `pool`: DATABASE_URL, else the embedded server. */
  readonly connectionString?: string;
  /** A pool of the application's; it stays the application's to end. */
  readonly pool?: pg.Pool;
  readonly tenantId: string;
  /** Its connections only read: the server refuses every write with 25006, whatever the login may. Not beside `pool`. */
  readonly readOnly?: boolean;
  /** Whether, and how, what is asked at once is grouped into calls (default: as `Grouping` says). False: each `apply` is a call of its own. */
  readonly coalesce?: boolean | Grouping;
}

/** How what is asked at once is grouped. */
export interface Grouping {
  /** Calls under way at once, each on a connection of its own: 1 to 64 (default 6; fewer where the application's pool is small). */
  readonly maxInFlight?: number | undefined;
  /** Operations in one call at most: 1 to 1,000 (default 200). Fewer go out together where calls turn out to be slow. */
  readonly maxOperations?: number | undefined;
}

/** Calls under way, and transactions, at once, unless more calls are asked for. */
const AT_ONCE = 6;

/** Those that read beside them, and the listener, must find a connection: both keep theirs while they wait. */
const OTHERS = 4;

/**
 * How many calls and how many transactions there may be at once on so many connections.
 * @throws {LedgerError} LG001 where more calls are asked for than connections allow.
 */
export function sharesOf(
  connections: number,
  maxInFlight: number | undefined,
): { readonly calls: number; readonly transactions: number } {
  const calls = maxInFlight ?? Math.min(AT_ONCE, Math.max(1, Math.floor((connections - OTHERS) / 2)));
  const rest = connections - OTHERS - calls;
  if (maxInFlight === undefined || rest > 0) return { calls, transactions: Math.min(AT_ONCE, Math.max(1, rest)) };
  const rule = `must be at most ${connections - OTHERS - 1} with a pool of ${connections} connections (max)`;
  const path = "options.coalesce.maxInFlight";
  throw new LedgerError("LG001", `${path}: ${rule}`, { detail: { path, rule } });
}

/** What the client has done so far. */
export interface LedgerStatistics {
  /** Calls of `ledger.submit` that were answered. */
  readonly calls: number;
  /** Operations in them. */
  readonly operations: number;
  /** Repetitions, by reason. */
  readonly retries: Readonly<RetryCounts>;
}
