/** What `createLedger` takes, and what a ledger tells of itself. */
import type pg from "pg";
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
  /** Whether calls on one pool are grouped (default). Without it each `apply` is a call of its own. */
  readonly coalesce?: boolean;
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
