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
import { batchText, type Outgoing, outgoing } from "./canonical.js";
import { BATCH, Coalescer, type RequestOptions, Series } from "./coalescer.js";
import { type Connections, connections, kyselyPool } from "./connection.js";
import { idsOf, LedgerError, unanswered, withOperations } from "./errors.js";
import { type EventsOptions, feed, type LedgerEvent } from "./feed.js";
import { feedSource } from "./feed-source.js";
import { Announcer, Listener } from "./hints.js";
import { lanesOf } from "./lanes.js";
import { Leases } from "./leases.js";
import { type OpenPoolOptions, openPool } from "./open-pool.js";
import { type LedgerOptions, type LedgerStatistics, sharesOf } from "./options.js";
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
import { isImpatient, whileWanted } from "./waiting.js";
import type { ApplyOptions, SendOptions, Writer } from "./writer.js";

export type { LedgerOptions, LedgerStatistics } from "./options.js";

/** Operations in one call at most, as the database has it. */
const ATOMIC_MOST = 1_000;

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
  readonly #coalescer: Coalescer<Outgoing>;
  readonly #maxOperations: number;
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
    const { maxInFlight, maxOperations = BATCH } = typeof coalesce === "boolean" ? {} : coalesce;
    this.#maxOperations = maxOperations;
    this.tenantId = tenantId;
    this.readOnly = readOnly;
    this.#connections = connections({ ...options, maxInFlight });
    this.#caller = new Caller(this.#connections, tenantId);
    const { calls, transactions } = sharesOf(this.#connections.size, maxInFlight);
    this.#transactions = pLimit(transactions);
    const connect = (): Promise<pg.PoolClient> => this.#connections.connect();
    this.db = new Kysely<LedgerViews>({ dialect: new PostgresDialect({ pool: kyselyPool(connect) }) }).withSchema(
      "ledger",
    );
    this.#announcer = new Announcer(connect, tenantId);
    this.#listener = new Listener(connect, tenantId);
    this.#coalescer = new Coalescer((operations, atomic) => this.#submit(operations, atomic), {
      coalesce: coalesce !== false,
      maxOperations,
      maxInFlight: calls,
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
   * as `replayed`. `signal` and `timeoutMs` end the wait, not what was sent.
   * @throws {LedgerError} LG009, LG012; LG008 where `atomic` and one was refused or failed; `retryable` ones when patience ended:
   *   ask again with the same operation ids (`detail.operation_ids`); 57014 where the wait ended before anything was sent; 08007 where
   *   it ended later.
   */
  async apply(operations: readonly Operation[], options: ApplyOptions = {}): Promise<Answer[]> {
    const checked = parse(applyOptions, options, "options");
    parse(anyOperations, operations, "operations");
    return this.#send(operations, checked);
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
    do await Promise.allSettled([...this.#underWay, this.#coalescer.idle()]);
    while (this.#underWay.size > 0);
    await Promise.all([this.#announcer.flush(), this.#caller.flush()]);
    await this.#listener.close();
    await this.#connections.end();
  }

  protected access(): Access {
    const track = <T>(work: Promise<T>): Promise<T> => this.#track(work);
    return { caller: this.#caller, connections: this.#connections, writer: this.#writer, track };
  }

  async #send(operations: readonly Operation[], options: SendOptions = {}): Promise<Answer[]> {
    const { atomic = false, lane } = options;
    if (atomic && operations.length > ATOMIC_MOST) {
      const rule = `an atomic call takes at most ${ATOMIC_MOST} operations`;
      throw new LedgerError("LG001", `${rule}`, { detail: { path: "", rule } });
    }
    const sent = operations.map(outgoing);
    this.#refuseOwn(sent, lane);
    const most = atomic ? ATOMIC_MOST : this.#maxOperations;
    if (sent.length > most || isImpatient(options)) return this.#sendParts(sent, most, options);
    return sent.length === 0 ? [] : this.#request(sent, { atomic, lane });
  }

  /** Queued together, so that nobody comes in between; the first that fails stops those behind it. */
  async #sendParts(sent: readonly Outgoing[], most: number, options: SendOptions): Promise<Answer[]> {
    const { atomic = false, lane } = options;
    const series = new Series();
    const parts: Outgoing[][] = [];
    for (let from = 0; from < sent.length; from += most) parts.push(sent.slice(from, from + most));
    const ask = (): Promise<Answer[][]> =>
      Promise.all(parts.map((part) => this.#request(part, { atomic, lane, series })));
    const answered = await whileWanted(ask, options, (given) => {
      const error = unanswered(series.isSent, given, idsOf(sent));
      this.#coalescer.withdraw(series, error);
      return error;
    });
    return answered.flat().map((answer, position) => ({ ...answer, position }));
  }

  async #request(sent: readonly Outgoing[], options: RequestOptions): Promise<Answer[]> {
    try {
      return await this.#coalescer.request(sent, options);
    } catch (error) {
      throw withOperations(error, idsOf(sent));
    }
  }

  #refuseOwn(sent: readonly Outgoing[], lane: string | undefined): void {
    const inside = this.#inside.getStore();
    if (!inside || ![...sent.flatMap(lanesOf), lane ?? ""].some((name) => inside.has(name))) return;
    this.#refuseInside(
      "this pool is the transaction's: write through the ledger that withTransaction gives to the work",
    );
  }

  /** @throws {LedgerError} LG001 in the work of `withTransaction`. */
  #refuseInside(rule: string): void {
    if (this.#inside.getStore()) throw new LedgerError("LG001", rule, { detail: { path: "", rule } });
  }

  async #submit(operations: readonly Outgoing[], atomic: boolean): Promise<Answer[]> {
    const batch = batchText(operations.map(({ text }) => text));
    const answers = await this.#caller.call((client) => submit(client, this.tenantId, batch, atomic));
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
