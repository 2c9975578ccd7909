/** Reading everything as of one moment, however long it takes: a transaction that sees one state of the database, and writes nothing. */
import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import { exactTypes } from "../database/connect.js";
import type { LedgerViews } from "../database/schema.generated.js";
import { sever } from "../database/sever.js";
import { beginReading, rollback } from "./call.js";
import type { Caller } from "./caller.js";
import { type Connections, kyselyPool } from "./connection.js";
import { LedgerError, ledgerError } from "./errors.js";

/** The views as of one moment. */
export interface Snapshot {
  readonly db: Kysely<LedgerViews>;
  /** Gives the connection back. */
  end(): Promise<void>;
}

/** Final: nobody wants the answer any more. */
const cancelled = (): LedgerError =>
  new LedgerError("57014", "nobody waits for the answer any more", { name: "query_canceled" });

/**
 * Begins one, on a connection of its own until its end. `types` reads values otherwise than the client does; `signal` breaks it off, whatever
 * the server is doing.
 * @throws {LedgerError} when the database cannot be reached; 57014 when it was broken off.
 */
export async function openSnapshot(
  caller: Caller,
  connections: Connections,
  types: pg.TypeOverrides = exactTypes(),
  signal?: AbortSignal,
): Promise<Snapshot> {
  let leave = (): void => {};
  const client = await caller.read(async () => {
    if (signal?.aborted) throw cancelled();
    const opened = await connections.connect();
    const breakOff = (): void => sever(opened);
    leave = () => signal?.removeEventListener("abort", breakOff);
    signal?.addEventListener("abort", breakOff, { once: true });
    try {
      if (signal?.aborted) throw cancelled();
      await beginReading(opened);
      return opened;
    } catch (error) {
      leave();
      opened.release(true);
      throw error;
    }
  });
  const query = client.query.bind(client);
  const db = new Kysely<LedgerViews>({
    dialect: new PostgresDialect({ pool: kyselyPool(async () => ({ query }), types) }),
  }).withSchema("ledger");
  return {
    db,
    async end() {
      leave();
      const fit = await rollback(client).then(
        () => true,
        () => false,
      );
      client.release(!fit);
    },
  };
}

/**
 * Does work on a snapshot and ends it. Nothing is repeated where the connection breaks: what was read belongs to a moment that
 * cannot be had again.
 */
export async function withSnapshot<T>(
  opening: Promise<Snapshot>,
  work: (db: Kysely<LedgerViews>) => Promise<T>,
): Promise<T> {
  const snapshot = await opening;
  try {
    return await work(snapshot.db);
  } finally {
    await snapshot.end();
  }
}

/** A read of a snapshot, whose errors are the ledger's. */
export function reading<T>(answer: Promise<T>): Promise<T> {
  return answer.catch((error: unknown): never => {
    throw ledgerError(error);
  });
}
