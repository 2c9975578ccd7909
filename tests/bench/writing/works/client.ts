/** The ledger's own client in a load process, on connections of the job's number. */
import pg from "pg";
import { createPool } from "../../../../src/database/connect.js";
import { createLedger, type Ledger, type LedgerOptions } from "../../../../src/index.js";
import type { Job } from "../loads/jobs.js";
import type { Work } from "./work.js";

/** Connections of a job, not serializable by default: whoever needs it says so. */
export function poolOf({ url, connections }: Pick<Job, "url" | "connections">): pg.Pool {
  return createPool(url, { max: connections, idleTimeoutMillis: 0 }, "read committed");
}

/** A ledger on them, its account of calls and retries, and its end. */
export function clientOf(
  job: Job,
  options: Pick<LedgerOptions, "coalesce"> = {},
): { readonly ledger: Ledger } & Pick<Work, "counts" | "close"> {
  if (job.tenant === undefined) throw new Error("a job of the ledger needs a tenant");
  const pool = poolOf(job);
  const ledger = createLedger({ pool, tenantId: job.tenant, ...options });
  return {
    ledger,
    counts() {
      const { calls, retries } = ledger.statistics();
      return { transactions: calls, retries: retries.conflict + retries.connection };
    },
    async close() {
      await ledger.close();
      await pool.end();
    },
  };
}

/** One of the job's pools, by chance. */
export function anyPool({ pools = [] }: Job): string {
  const pool = pools[Math.floor(Math.random() * pools.length)];
  if (pool === undefined) throw new Error("the job names no pool");
  return pool;
}

/** Whether a transaction lost against another and is to be done again. */
export function lost(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === "40001" || error.code === "40P01");
}
