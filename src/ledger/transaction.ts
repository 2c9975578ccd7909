/** The ledger inside a transaction of the caller's: a job's rows and its spend commit together, or not at all. */
import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import type { LedgerViews } from "../database/schema.generated.js";
import { BudgetPool } from "./budget-pool.js";
import { apply, begin, commit, lockPools, rollback, takeOver } from "./call.js";
import { asText, batchText } from "./canonical.js";
import { type Connections, kyselyPool } from "./connection.js";
import { idsOf, kindOf, LedgerError, ledgerError, RESOLUTION_UNKNOWN, sqlState, unanswered } from "./errors.js";
import { lend } from "./lending.js";
import { type OpenPoolOptions, openPool } from "./open-pool.js";
import type { Answer, Budget, Operation } from "./protocol.js";
import { type Patience, type RetryCounts, retrying } from "./retry.js";
import { whileWanted } from "./waiting.js";
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
  const read = <T>(reading: () => Promise<T>): Promise<T> =>
    reading().catch((error: unknown): never => {
      throw ledgerError(error);
    });
  const send = async (operations: readonly Operation[], options: ApplyOptions = {}): Promise<Answer[]> => {
    const text = batchText(operations.map(asText));
    let isSent = false;
    const ask = (): Promise<Answer[]> => {
      isSent = true;
      return read(() => apply(client, tenantId, text, options.atomic ?? false));
    };
    return whileWanted(ask, options, (given) => unanswered(isSent, given, idsOf(operations)));
  };
  const writer: Writer = { tenantId, db, send, read, ask: (asking) => read(() => asking(client)) };
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
  let fit = false;
  try {
    await lockPools(client, tenantId, pools);
    await begin(client);
    await takeOver(client, tenantId, pools);
    const loan = lend(client);
    let result: T;
    try {
      result = await work(loan.client, on(loan.client, tenantId));
    } catch (error) {
      loan.recall();
      fit = await undo(client);
      throw loan.causedBy(error) || loan.causedBy((error as Error | null)?.cause) ? error : new OwnError(error);
    }
    loan.recall();
    await conclude(client);
    fit = true;
    return result;
  } finally {
    // Where it stopped in between, the session may still hold the locks that lock_pools took: they go with the connection.
    client.release(!fit);
  }
}

/** Whether the connection is good for others: where it cannot even roll back, the server does so by itself. */
function undo(client: pg.PoolClient): Promise<boolean> {
  return rollback(client).then(
    () => true,
    () => false,
  );
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
