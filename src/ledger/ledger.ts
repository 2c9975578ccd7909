/** The typed client of one tenant: calls of functions and reads of views, retried, coalesced and told apart by error. */
import { AsyncLocalStorage } from "node:async_hooks";
import { Kysely, PostgresDialect } from "kysely";
import pLimit, { type LimitFunction } from "p-limit";
import type pg from "pg";
import { migrate } from "../database/migrate.js";
import type { MigrateOptions } from "../database/migrate-options.js";
import type { LedgerViews } from "../database/schema.generated.js";
import type { Access } from "./access.js";
import { Books } from "./books.js";
import { BudgetPool } from "./budget-pool.js";
import { submit } from "./call.js";
import { Caller } from "./caller.js";
import { asSent } from "./canonical.js";
import { BATCH, Coalescer, lanesOf, type RequestOptions, Series } from "./coalescer.js";
import { type Connections, connections, kyselyPool } from "./connection.js";
import { LedgerError, withOperations } from "./errors.js";
import { type EventsOptions, feed, type LedgerEvent } from "./feed.js";
import { feedSource } from "./feed-source.js";
import { Announcer, Listener } from "./hints.js";
import { Leases } from "./leases.js";
import { type OpenPoolOptions, openPool } from "./open-pool.js";
import type { LedgerOptions, LedgerStatistics } from "./options.js";
import type { Answer, Budget, Operation } from "./protocol.js";
import {
  operations as anyOperations,
  applyOptions,
  eventsOptions,
  ledgerOptions,
  parse,
  transactionOptions,
} from "./schemas.js";
import { on, type TransactionLedger, type Work, withTransaction } from "./transaction.js";
import type { ApplyOptions, Writer } from "./writer.js";

export type { LedgerOptions, LedgerStatistics } from "./options.js";

/** Operations in one call at most, as the database has it. */
const ATOMIC_MOST = 1_000;

/** Calls under way, and transactions, at once. */
const MOST_AT_ONCE = 6;

/** A tenant's ledger. Made by `createLedger`. */
export class Ledger extends Books {
  readonly tenantId: string;
  /** Whether its connections only read. */
  readonly readOnly: boolean;
  /** The views of schema `ledger` by their bare names; numbers of 64 bits and more are exact text. */
  readonly db: Kysely<LedgerViews>;
  readonly #leases: Leases;
  readonly #writer: Writer;
  readonly #connections: Connections;
  readonly #caller: Caller;
  readonly #coalescer: Coalescer;
  readonly #announcer: Announcer;
  readonly #listener: Listener;
  readonly #transactions: LimitFunction;
  /** The pools of the transaction that we are in the work of. */
  readonly #inside = new AsyncLocalStorage<ReadonlySet<string>>();
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #ending = new AbortController();
  #calls = 0;
  #operations = 0;

  constructor(options: LedgerOptions) {
    super();
    const { tenantId, readOnly = false, coalesce = true } = parse(ledgerOptions, options, "options");
    this.tenantId = tenantId;
    this.readOnly = readOnly;
    this.#connections = connections(options);
    this.#caller = new Caller(this.#connections, tenantId);
    // Calls and transactions keep a connection while they wait: those that read beside them, and the listener, must find one.
    const atOnce = Math.min(MOST_AT_ONCE, Math.max(1, Math.floor((this.#connections.size - 4) / 2)));
    this.#transactions = pLimit(atOnce);
    const connect = (): Promise<pg.PoolClient> => this.#connections.connect();
    this.db = new Kysely<LedgerViews>({ dialect: new PostgresDialect({ pool: kyselyPool(connect) }) }).withSchema(
      "ledger",
    );
    this.#announcer = new Announcer(connect, tenantId);
    this.#listener = new Listener(connect, tenantId);
    this.#coalescer = new Coalescer((operations, atomic) => this.#submit(operations, atomic), {
      coalesce,
      maxInFlight: atOnce,
    });
    this.#leases = new Leases((operations, lane) => this.#send(operations, { lane }));
    this.#writer = {
      tenantId,
      db: this.db,
      leases: this.#leases,
      send: (...asked) => this.#send(...asked),
      read: (reading) => this.#caller.read(reading),
      ask: (asking) => this.#caller.call(asking),
    };
  }

  /**
   * Sends operations in their order and answers each, in batches of 200 (atomic: 1,000 at most, as one). A refusal or an error of
   * one operation is its answer and stops no other. An answer lost on the way is asked for again by operation id, and then comes
   * as `replayed`.
   * @throws {LedgerError} LG009, LG012; LG008 where `atomic` and one was refused or failed; `retryable` ones when patience ended:
   *   ask again with the same operation ids.
   */
  async apply(operations: readonly Operation[], options: ApplyOptions = {}): Promise<Answer[]> {
    const { atomic = false } = parse(applyOptions, options, "options");
    parse(anyOperations, operations, "operations");
    return this.#send(operations, { atomic });
  }

  /** Opens a pool; budgets are totals by channel, a channel left out is only observed. Opening the same one again finds it. */
  openPool(budget: Budget, options: OpenPoolOptions = {}): Promise<BudgetPool> {
    return openPool(this.#writer, budget, options);
  }

  /** A pool that exists, such as a driver's own (its id is the node's). Nothing is sent. */
  pool(poolId: string): BudgetPool {
    return new BudgetPool(this.#writer, poolId);
  }

  /**
   * Runs `work` in one serializable transaction with the pools' locks taken first; whole again where it lost. Give every pool that
   * `work` writes to, so that it waits rather than loses.
   * @throws {LedgerError} 08007 where the connection broke during COMMIT; what `work` throws, after a rollback.
   */
  async withTransaction<T>(options: { readonly pools: readonly string[] }, work: Work<T>): Promise<T> {
    const { pools } = parse(transactionOptions, options, "options");
    this.#refuseInside("withTransaction inside withTransaction: one transaction takes all its pools");
    const { retries } = this.#caller;
    const run: Work<T> = async (client, inside) => {
      // Our own calls on these pools would only wait for this one, and keep others out meanwhile.
      const giveBack = this.#coalescer.reserve(pools);
      return this.#inside.run(new Set(pools), () => work(client, inside)).finally(giveBack);
    };
    const attempts = { counts: retries, patience: () => this.#caller.patience() };
    const begin = (): Promise<T> => withTransaction(this.#connections, this.tenantId, pools, run, attempts);
    return this.#track(this.#caller.noting(this.#transactions(begin)));
  }

  /** The ledger in a serializable transaction that the caller has begun on that connection. */
  on(client: pg.ClientBase): TransactionLedger {
    return on(client, this.tenantId);
  }

  /**
   * What happens, as it happens: every journal row of the tenant, a run or a pool, none twice, none left out, in order of `seq`
   * per pool. Keep the cursor of the last event you are done with, and go on `after` it, in any process.
   */
  async *events(options: EventsOptions = {}): AsyncGenerator<LedgerEvent, void, undefined> {
    parse(eventsOptions, options, "options");
    const signals = [this.#ending.signal, ...(options.signal ? [options.signal] : [])];
    const hints = this.#listener.open();
    try {
      const source = feedSource(this.#caller, this.db, this.tenantId, (signal) => hints.next(signal));
      yield* feed(source, { ...options, signal: AbortSignal.any(signals) });
    } finally {
      hints.leave();
    }
  }

  /**
   * Brings the database to this version of the ledger, as the superuser of `connectionString`; the embedded server's own needs
   * nobody to ask.
   */
  async migrate(options: MigrateOptions = {}): Promise<void> {
    const url = await this.#connections.migrationUrl();
    if (url === undefined) {
      throw new LedgerError("LG001", "migrate needs connectionString: a pool does not tell its address", {
        detail: { path: "connectionString", rule: "is required" },
      });
    }
    await migrate(url, options);
  }

  /** Calls, operations and repetitions so far. */
  statistics(): LedgerStatistics {
    return { calls: this.#calls, operations: this.#operations, retries: { ...this.#caller.retries } };
  }

  /** Waits for what is under way, ends feeds and leases, and gives connections back. Open holds end by their leases. */
  async close(): Promise<void> {
    this.#refuseInside("close inside withTransaction, which it would wait for");
    this.#ending.abort();
    this.#leases.stop();
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    await Promise.all([this.#announcer.flush(), this.#caller.flush()]);
    await this.#listener.close();
    await this.#connections.end();
  }

  protected access(): Access {
    const track = <T>(work: Promise<T>): Promise<T> => this.#track(work);
    return { caller: this.#caller, connections: this.#connections, writer: this.#writer, track };
  }

  async #send(operations: readonly Operation[], options: ApplyOptions & { lane?: string } = {}): Promise<Answer[]> {
    const { atomic = false, lane } = options;
    if (atomic && operations.length > ATOMIC_MOST) {
      const rule = `an atomic call takes at most ${ATOMIC_MOST} operations`;
      throw new LedgerError("LG001", `${rule}`, { detail: { path: "", rule } });
    }
    // As they are now: what the caller changes later must not change what is sent again.
    const canonical = operations.map(asSent);
    const size = atomic ? ATOMIC_MOST : BATCH;
    const parts: Operation[][] = [];
    for (let from = 0; from < canonical.length; from += size) parts.push(canonical.slice(from, from + size));
    // Queued together, so that nobody comes in between; the first that fails stops those behind it.
    const series = parts.length > 1 ? new Series() : undefined;
    const answered = await Promise.all(parts.map((part) => this.#request(part, { atomic, lane, series })));
    return answered.flat().map((answer, position) => ({ ...answer, position }));
  }

  #request(operations: readonly Operation[], options: RequestOptions): Promise<Answer[]> {
    const inside = this.#inside.getStore();
    if (inside && [...operations.flatMap(lanesOf), options.lane ?? ""].some((lane) => inside.has(lane))) {
      this.#refuseInside(
        "this pool is the transaction's: write through the ledger that withTransaction gives to the work",
      );
    }
    const ids = operations.map(({ operation_id }) => operation_id);
    return this.#track(
      this.#coalescer.request(operations, options).catch((error: unknown): never => {
        throw withOperations(error, ids);
      }),
    );
  }

  /** @throws {LedgerError} LG001 in the work of `withTransaction`. */
  #refuseInside(rule: string): void {
    if (this.#inside.getStore()) throw new LedgerError("LG001", rule, { detail: { path: "", rule } });
  }

  async #submit(operations: readonly Operation[], atomic: boolean): Promise<Answer[]> {
    const answers = await this.#caller.call((client) => submit(client, this.tenantId, operations, atomic));
    this.#calls += 1;
    this.#operations += operations.length;
    if (answers.some(({ result }) => result.seq)) this.#announcer.note();
    return answers;
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    const done = (): void => {
      this.#underWay.delete(work);
    };
    work.then(done, done);
    return work;
  }
}

/**
 * A ledger for one tenant. Connects when it is first used: to the pool or URL given, else to DATABASE_URL, else to the embedded
 * server in `.agent-ledger/`, which is made, migrated and started on demand and shared with other processes.
 * @throws {LedgerError} LG001 where an option is malformed.
 */
export function createLedger(options: LedgerOptions): Ledger {
  return new Ledger(options);
}
