/** What a ledger keeps and tells beside operations: runs, prices, artifacts, and its views as of one moment. */
import type { Kysely, Selectable } from "kysely";
import type pg from "pg";
import type { LedgerViews, SpentBreakdownRow, TrajectoryRow } from "../database/schema.generated.js";
import { type Artifact, bodyOf, checked } from "./artifacts.js";
import { putBlob, putPrices, usePrices } from "./call.js";
import { canonicalJson } from "./canonical-json.js";
import { Experiments } from "./experiments.js";
import { asBook, bookName, type PriceRow, type PutPricesOptions } from "./prices.js";
import { replay, type Settlement } from "./replay.js";
import { breakdownOf, trajectoryOf } from "./run-views.js";
import { openSnapshot, withSnapshot } from "./snapshot.js";

/** What a ledger offers on its runs, prices and artifacts. */
export abstract class Books extends Experiments {
  /** The views of schema `ledger` by their bare names; numbers of 64 bits and more are exact text. */
  abstract readonly db: Kysely<LedgerViews>;

  /** The nodes of a run in tree order, each with its own and its rolled-up spend. */
  trajectory(runId: string): Promise<Selectable<TrajectoryRow>[]> {
    return this.access().caller.read(() => trajectoryOf(this.db, this.tenantId, runId));
  }

  /** A run's three rows: `driver_inference`, `child_work`, `total`. */
  spentBreakdown(runId: string): Promise<Selectable<SpentBreakdownRow>[]> {
    return this.access().caller.read(() => breakdownOf(this.db, this.tenantId, runId));
  }

  /**
   * Writes a book of prices, which never changes afterwards: writing the same again is ok. Answers how many prices it has.
   * @throws {LedgerError} LG001 where a row is malformed (nothing is written then), LG011 where the book holds other prices.
   */
  async putPrices(book: string, prices: readonly PriceRow[], options: PutPricesOptions = {}): Promise<number> {
    const { rows, source } = asBook(book, prices, options);
    return this.access().caller.call((client) => putPrices(client, this.tenantId, book, rows, source ?? null));
  }

  /**
   * Prices calls without a receipt from that book, from now on, as estimates; null = from none.
   * @throws {LedgerError} LG001 where there is no such book.
   */
  async usePrices(book: string | null): Promise<void> {
    const name = bookName(book);
    await this.access().caller.call((client) => usePrices(client, this.tenantId, name));
  }

  /**
   * How a run's work came back: its ended children in the order of delivery, those not delivered yet last, each with its artifact.
   * All as of the moment of the first read; a connection is kept until the end.
   * @throws {LedgerError} LG003 where there is no such run.
   * @throws {ArtifactError} at the settlement whose artifact is missing, corrupted or no reference.
   */
  async *replay(runId: string): AsyncGenerator<Settlement, void, undefined> {
    const { caller, connections } = this.access();
    const snapshot = await openSnapshot(caller, connections);
    try {
      yield* replay(snapshot.db, this.tenantId, runId);
    } finally {
      await snapshot.end();
    }
  }

  /**
   * Stores a value as canonical JSON (RFC 8785) and answers its reference, for `outRef`. Equal values have equal references.
   * @throws {LedgerError} LG001 where it has no JSON form, or one of more than 64 MiB.
   */
  async putArtifact(value: unknown): Promise<string> {
    const body = Buffer.from(canonicalJson(value));
    return this.access().caller.call((client) => putBlob(client, this.tenantId, body));
  }

  /** The artifact of a reference. @throws {ArtifactError} where it is missing, corrupted or no reference. */
  async artifact(ref: string): Promise<Artifact> {
    return checked(ref, await this.access().caller.read(() => bodyOf(this.db, this.tenantId, ref)), null);
  }

  /** Reads `db`, again where the connection was lost; its errors are the ledger's. */
  read<T>(reading: (db: Kysely<LedgerViews>) => Promise<T>): Promise<T> {
    return this.access().caller.read(() => reading(this.db));
  }

  /**
   * Does work on the views as they are at one moment, however long it takes. `types` reads values otherwise than `db` does; `signal` breaks its
   * queries off.
   */
  snapshot<T>(
    work: (db: Kysely<LedgerViews>) => Promise<T>,
    types?: pg.TypeOverrides,
    signal?: AbortSignal,
  ): Promise<T> {
    const { caller, connections, track } = this.access();
    return track(withSnapshot(openSnapshot(caller, connections, types, signal), work));
  }
}
