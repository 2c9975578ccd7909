/**
 * Connections to the ledger's database. Everything here is plain `pg`: an embedded server and a
 * production one are reached the same way.
 */
import pg from "pg";
import { parseIntoClientConfig } from "pg-connection-string";

/**
 * A session's isolation level. Where single autocommit calls of `ledger.apply` are to be serializable without a BEGIN around
 * them (else LG006), it must be the session's default; sessions that read, and write by `ledger.submit` alone, need not.
 */
export type Isolation = "serializable" | "read committed";

/**
 * Set at connect. Instants are read in the ISO form. The views over trees look dear to the planner and are not: compiling them would take a hundred times as long
 * as running them.
 */
function sessionDefaults(isolation: Isolation): string {
  return `-c default_transaction_isolation=${isolation.replace(" ", "\\ ")} -c jit=off -c DateStyle=ISO`;
}

/** The server refuses every write of such a session with 25006. */
const READ_ONLY = "-c default_transaction_read_only=on";

/** What a session may. */
export interface SessionOptions {
  /** It reads, and the server sees to it. */
  readonly readOnly?: boolean;
}

const INT8 = 20;
const NUMERIC = 1700;
const DATE = 1082;

/** Booleans, bytes, 32-bit integers, JSON, arrays of text, instants: as `pg` itself reads them, whatever the application registers later. */
const PINNED = [16, 17, 23, 114, 1009, 1184, 3802].map((oid) => [oid, pg.types.getTypeParser(oid)] as const);

/**
 * Parsers of these connections only. 64-bit integers and numerics stay the strings Postgres sent,
 * even where the application around us has registered parsers that turn them into floats.
 */
export function exactTypes(): pg.TypeOverrides {
  const types = new pg.TypeOverrides();
  for (const [oid, parse] of PINNED) types.setTypeParser(oid, parse);
  types.setTypeParser(INT8, (text: string) => text);
  types.setTypeParser(NUMERIC, (text: string) => text);
  // A day is no instant: a Date would be midnight of the time zone this process happens to be in.
  types.setTypeParser(DATE, (text: string) => text);
  return types;
}

/** What `pg` needs to connect to `connectionString` as the ledger expects its sessions to be. */
export function sessionConfig(
  connectionString: string,
  isolation: Isolation = "serializable",
  { readOnly = false }: SessionOptions = {},
): pg.ClientConfig {
  const config = parseIntoClientConfig(connectionString);
  return {
    ...config,
    // Ours last: options of the connection string are kept, but cannot lower the isolation level, or make a reader write.
    options: [config.options, sessionDefaults(isolation), readOnly && READ_ONLY].filter(Boolean).join(" "),
    application_name: config.application_name ?? "agent-ledger",
    types: exactTypes(),
  };
}

/** Opens one connection. The caller ends it. */
export async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client(sessionConfig(connectionString));
  // A connection lost while idle is reported by the next query, not by ending the process.
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** Creates a pool of such connections. The caller ends it. */
export function createPool(
  connectionString: string,
  options: pg.PoolConfig = {},
  isolation?: Isolation,
  session?: SessionOptions,
): pg.Pool {
  const pool = new pg.Pool({ ...sessionConfig(connectionString, isolation, session), ...options });
  // The pool has already discarded the connection that failed while idle.
  pool.on("error", () => {});
  return pool;
}
