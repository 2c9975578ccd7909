/** The ledger inside a transaction of the caller's: a job's rows and its spend commit together, or not at all. */
import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import type { LedgerViews } from "../database/schema.generated.js";
import { BudgetPool, type OpenPoolOptions, openPool } from "./budget-pool.js";
import { apply, begin, commit, lockPools, takeOver } from "./call.js";
import { canonicalOperation } from "./canonical.js";
import { type Connections, kyselyPool } from "./connection.js";
import { kindOf, LedgerError, ledgerError, RESOLUTION_UNKNOWN, sqlState } from "./errors.js";
import type { Answer, Budget, Operation } from "./protocol.js";
import { type Patience, type RetryCounts, retrying } from "./retry.js";
import type { ApplyOptions, Writer } from "./writer.js";

/** A ledger on one connection. Nothing is retried, coalesced or renewed here: the transaction is the caller's. */
export interface TransactionLedger {
  readonly tenantId: string;
  readonly db: Kysely<LedgerViews>;
  /** @throws {LedgerError} LG006 outside SERIALIZABLE; 40001 where the transaction lost: run it again, whole. */
  apply(operations: readonly Operation[], options?: ApplyOptions): Promise<Answer[]>;
  openPool(budget: Budget, options?: OpenPoolOptions): Promise<BudgetPool>;
  pool(poolId: string): BudgetPool;
}

/** The ledger on a connection that the caller has put into a serializable transaction. */
export function on(client: pg.ClientBase, tenantId: string): TransactionLedger {
  const db = new Kysely<LedgerViews>({
    dialect: new PostgresDialect({ pool: kyselyPool(async () => ({ query: client.query.bind(client) })) }),
  }).withSchema("ledger");
  const send = async (operations: readonly Operation[], { atomic = false }: ApplyOptions = {}): Promise<Answer[]> =>
    apply(client, tenantId, operations.map(canonicalOperation), atomic).catch((error: unknown): never => {
      throw ledgerError(error);
    });
  const writer: Writer = { tenantId, db, send };
  return {
    tenantId,
    db,
    apply: send,
    openPool: (budget, options) => openPool(writer, budget, options),
    pool: (poolId) => new BudgetPool(writer, poolId),
  };
}

/** What the caller does in its transaction. */
export type Work<T> = (client: pg.PoolClient, ledger: TransactionLedger) => Promise<T>;

/**
 * Runs `work` in a serializable transaction that holds the pools' locks from before its snapshot, so that it waits for others
 * instead of losing to them. The whole function is run again where it lost all the same.
 * @throws {LedgerError} 08007 where the connection broke during COMMIT: whether it is in force is not known; whatever `work`
 *   itself throws, after a rollback.
 */
export async function withTransaction<T>(
  connections: Connections,
  tenantId: string,
  pools: readonly string[],
  work: Work<T>,
  retries: { readonly counts: RetryCounts; readonly patience: () => Patience },
): Promise<T> {
  const attempt = (): Promise<T> => once(connections, tenantId, pools, work);
  // An error of the application's own is nobody's to repeat.
  const kind = (error: unknown): ReturnType<typeof kindOf> =>
    error instanceof OwnError || sqlState(error) === RESOLUTION_UNKNOWN ? "final" : kindOf(error);
  return retrying(attempt, retries.counts, retries.patience, kind).catch((error: unknown): never => {
    throw error instanceof OwnError ? error.cause : ledgerError(error);
  });
}

/** Carries an error of the work itself past the retries. */
class OwnError extends Error {
  constructor(override readonly cause: unknown) {
    super("the work failed");
  }
}

async function once<T>(
  connections: Connections,
  tenantId: string,
  pools: readonly string[],
  work: Work<T>,
): Promise<T> {
  const client = await connections.connect();
  let broken = false;
  const noteBroken = (): void => {
    broken = true;
  };
  client.on("error", noteBroken).on("end", noteBroken);
  let fit = false;
  try {
    await lockPools(client, tenantId, pools);
    await begin(client);
    await takeOver(client, tenantId, pools);
    let result: T;
    try {
      result = await work(client, on(client, tenantId));
    } catch (error) {
      const own = !broken && sqlState(error) === undefined;
      if (!broken) await client.query("rollback");
      fit = !broken;
      throw own ? new OwnError(error) : error;
    }
    await conclude(client);
    fit = true;
    return result;
  } finally {
    client.off("error", noteBroken).off("end", noteBroken);
    // Where it stopped in between, the session may still hold the locks that lock_pools took: they go with the connection.
    client.release(!fit);
  }
}

async function conclude(client: pg.PoolClient): Promise<void> {
  let command: string;
  try {
    command = await commit(client);
  } catch (error) {
    if (kindOf(error) !== "connection") throw error;
    throw new LedgerError(RESOLUTION_UNKNOWN, "the connection broke during COMMIT: look whether it is in force", {
      name: "transaction_resolution_unknown",
      cause: error,
    });
  }
  // Postgres answers ROLLBACK to the COMMIT of a transaction that had failed: the work swallowed an error.
  if (command === "ROLLBACK") {
    throw new LedgerError("25P02", "the transaction had failed and was rolled back: an error inside it was swallowed", {
      name: "in_failed_sql_transaction",
    });
  }
}
