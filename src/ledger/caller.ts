/** Calls that are repeated where that can help, on connections that are left fit for others. */
import type pg from "pg";
import type { Connections } from "./connection.js";
import { isClean } from "./errors.js";
import { PATIENCE, type Patience, type RetryCounts, retryingCall } from "./retry.js";
import { RetryNotes } from "./retry-notes.js";

/** A wrong address should not take as long to be noticed as an outage. */
const UNPROVEN: Patience = { ...PATIENCE, connectionMs: 2_000 };

export class Caller {
  /** Repetitions so far. */
  readonly retries: RetryCounts = { conflict: 0, connection: 0 };
  readonly #notes: RetryNotes;

  constructor(
    private readonly connections: Connections,
    tenantId: string,
  ) {
    this.#notes = new RetryNotes(() => connections.connect(), tenantId, this.retries);
  }

  /** One call on a connection of its own. */
  call<T>(call: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    return this.read(async () => {
      const client = await this.connections.connect();
      let fit = false;
      try {
        const result = await call(client);
        fit = true;
        return result;
      } catch (error) {
        fit = isClean(error);
        throw error;
      } finally {
        client.release(!fit);
      }
    });
  }

  /** The same for what finds its connection itself. */
  read<T>(read: () => Promise<T>): Promise<T> {
    return this.noting(retryingCall(read, this.retries, () => this.patience()));
  }

  /** What repeats by itself, counting in `retries`: once it went through, the ledger is told. */
  noting<T>(work: Promise<T>): Promise<T> {
    work.then(
      () => this.#notes.note(),
      () => {},
    );
    return work;
  }

  /** Tells the ledger what it was not told yet. */
  flush(): Promise<void> {
    return this.#notes.flush();
  }

  /** How long to go on. */
  patience(): Patience {
    return this.connections.proven ? PATIENCE : UNPROVEN;
  }
}
