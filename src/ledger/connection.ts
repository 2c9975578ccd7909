/** Where a ledger's connections come from: a pool of the application's, a URL, or the embedded server. */
import type { PostgresPool, PostgresPoolClient } from "kysely";
import type pg from "pg";
import { openEmbedded } from "../database/attach.js";
import { createPool, exactTypes } from "../database/connect.js";
import { isClean, LedgerError } from "./errors.js";

/** Connections to one database. */
export interface Connections {
  /** A connection; the caller releases it, with `true` where it may be in no fit state. */
  connect(): Promise<pg.PoolClient>;
  /** Whether a connection was ever had: until then a failure is more likely a wrong address than an outage. */
  readonly proven: boolean;
  /** A URL as which the migration can run; undefined where the application brought its own pool. */
  migrationUrl(): Promise<string | undefined>;
  /** How many connections there are at most. */
  readonly size: number;
  /** Ends what was opened here, and nothing of the application's. */
  end(): Promise<void>;
}

/** How long to wait for a new connection before it counts as failed. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Connections of a pool of ours, at least. */
const CONNECTIONS = 18;

/** Those of them that are for what is beside calls: readers, transactions, a listener. */
const BESIDE_CALLS = 12;

/** Enough for a call, a transaction, what it reads beside itself, and a listener. */
const FEWEST = 4;

/** @throws {LedgerError} LG001 where calls, transactions and readers of such a pool could wait for one another for ever. */
function sizeOf({ options }: pg.Pool): number {
  const { max } = options ?? {};
  if (typeof max !== "number") return 10;
  if (max >= FEWEST) return max;
  const rule = `must have at least ${FEWEST} connections (max)`;
  throw new LedgerError("LG001", `options.pool ${rule}`, { detail: { path: "options.pool", rule } });
}

/** A pool somewhere, and how to leave it. */
interface Source {
  readonly pool: pg.Pool;
  readonly migrationUrl: string | undefined;
  end(): Promise<void>;
}

/** Connections from whichever of the options is given; from DATABASE_URL, else the embedded server, where none is. */
export function connections(options: {
  readonly connectionString?: string | undefined;
  readonly pool?: pg.Pool | undefined;
  readonly tenantId: string;
  readonly readOnly?: boolean | undefined;
  /** Calls at once, where more than usual are asked for. */
  readonly maxInFlight?: number | undefined;
}): Connections {
  const url = options.connectionString ?? (process.env.DATABASE_URL || undefined);
  const { readOnly = false, maxInFlight = 0 } = options;
  if (options.pool) return new LazyConnections(ofApplication(options.pool), sizeOf(options.pool));
  const size = Math.max(CONNECTIONS, maxInFlight + BESIDE_CALLS);
  const poolOf = (address: string): pg.Pool => readingPool(address, readOnly, size);
  const open = url === undefined ? () => embedded(options.tenantId, poolOf) : () => ofUrl(url, poolOf);
  return new LazyConnections(open, size);
}

function ofApplication(pool: pg.Pool): () => Promise<Source> {
  return async () => ({ pool, migrationUrl: undefined, end: async () => {} });
}

async function ofUrl(url: string, poolOf: (url: string) => pg.Pool): Promise<Source> {
  const pool = poolOf(url);
  return { pool, migrationUrl: url, end: () => pool.end() };
}

/** The source, and when it is lost: a server started anew may listen elsewhere. */
async function embedded(
  tenantId: string,
  poolOf: (url: string) => pg.Pool,
): Promise<Source & { readonly lost: Promise<void> }> {
  const opened = await openEmbedded(tenantId);
  const pool = poolOf(opened.url);
  return {
    pool,
    migrationUrl: opened.superuserUrl,
    lost: opened.lost,
    async end() {
      await pool.end();
      await opened.release();
    },
  };
}

/** A serializable reader would make writers lose; what writes brings its own isolation. An idle pool keeps no process alive. */
function readingPool(url: string, readOnly: boolean, max: number): pg.Pool {
  const options = {
    max,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    allowExitOnIdle: true,
  };
  return createPool(url, options, "read committed", { readOnly });
}

const quiet = (): void => {};

class LazyConnections implements Connections {
  #source: Promise<Source> | undefined;
  #ending: Promise<void> | undefined;
  proven = false;

  constructor(
    private readonly open: () => Promise<Source & { readonly lost?: Promise<void> }>,
    readonly size: number,
  ) {}

  async connect(): Promise<pg.PoolClient> {
    const { pool } = await this.#current();
    // The application's own may be ended by the application.
    if (pool.ending) throw closed();
    const client = await connected(pool);
    // Out of the pool, nobody listens; a connection that breaks is reported by its query, and must not end the process.
    if (!client.listeners("error").includes(quiet)) client.on("error", quiet);
    this.proven = true;
    return client;
  }

  async migrationUrl(): Promise<string | undefined> {
    return (await this.#current()).migrationUrl;
  }

  end(): Promise<void> {
    this.#ending ??= (async () => {
      const source = await this.#source?.catch(() => undefined);
      await source?.end();
    })();
    return this.#ending;
  }

  #current(): Promise<Source> {
    if (this.#ending) return Promise.reject(closed());
    this.#source ??= this.#opened();
    return this.#source;
  }

  async #opened(): Promise<Source> {
    const forget = (): void => {
      this.#source = undefined;
    };
    try {
      const source = await this.open();
      void source.lost?.then(() => {
        if (this.#ending) return;
        forget();
        source.end().catch(() => {});
      });
      return source;
    } catch (error) {
      forget();
      throw error;
    }
  }
}

/** So long a connection is waited for where the application's pool itself would wait for ever. */
const POOL_TIMEOUT_MS = 30_000;

/** A connection of the pool; one that comes too late goes back to it. */
async function connected(pool: pg.Pool): Promise<pg.PoolClient> {
  const asked = pool.connect();
  if (pool.options?.connectionTimeoutMillis) return asked;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      asked.then(
        (client) => client.release(),
        () => {},
      );
      reject(new Error(`the pool had no connection to give for ${POOL_TIMEOUT_MS / 1_000} s`));
    }, POOL_TIMEOUT_MS);
  });
  return Promise.race([asked, late]).finally(() => clearTimeout(timer));
}

/** Final: no repetition opens it again. */
function closed(): LedgerError {
  return new LedgerError("57P05", "the ledger is closed", { name: "ledger_closed" });
}

/** What Kysely needs of a connection. One that has no `release` is lent, and stays its owner's. */
type Lent = Pick<pg.ClientBase, "query"> & { readonly release?: (destroy?: boolean) => void };

/** A read of the views may take long; a server that hangs must not keep its caller for ever. */
const READ_TIMEOUT_MS = 300_000;

/**
 * Connections in the form Kysely asks for. Values are read alike even where the application's pool, or `pg` itself, has parsers
 * of its own.
 */
export function kyselyPool(connect: () => Promise<Lent>, types: pg.TypeOverrides = exactTypes()): PostgresPool {
  return {
    async connect() {
      const client = await connect();
      let fit = true;
      const query = async (text: unknown, values: readonly unknown[] = []): Promise<unknown> => {
        // What is no text is a cursor, which brings its own.
        if (typeof text !== "string") return client.query(text as pg.Submittable);
        const asked = { text, values: [...values], types, query_timeout: READ_TIMEOUT_MS };
        return client.query(asked).catch((error: unknown): never => {
          fit &&= isClean(error);
          throw error;
        });
      };
      return { query, release: () => client.release?.(!fit) } as unknown as PostgresPoolClient;
    },
    // Whoever opened them ends them.
    end: async () => {},
  };
}
