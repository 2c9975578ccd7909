/**
 * A server that belongs to the one process that started it and ends with it: a real Postgres with its
 * data beside the project. What several processes share is such a server of a process of its own (`host.ts`).
 */
import { existsSync } from "node:fs";
import type pg from "pg";
import { type Binaries, embeddedBinaries } from "./binaries.js";
import { createCluster } from "./cluster.js";
import { Complaint } from "./complaint.js";
import { connect } from "./connect.js";
import {
  DATABASE,
  DEFAULT_DIRECTORY,
  ensurePassword,
  lastPort,
  openHome,
  rememberPort,
  superuserUrlAt,
} from "./home.js";
import { livingOwner } from "./postmaster.js";
import { type RunningServer, type ServerOptions, startServer } from "./server.js";

export { DEFAULT_DIRECTORY } from "./home.js";

/** How to run an embedded server. */
export interface EmbeddedOptions extends Pick<ServerOptions, "port" | "settings"> {
  /** Another server's programs than those that came with the package. */
  readonly binaries?: Binaries;
}

/** An embedded server that runs; stopping it keeps the data. */
export interface EmbeddedServer extends RunningServer {
  /** Connects the superuser to the ledger's database. */
  readonly url: string;
  /** The same for another database of that server. */
  urlOf(database: string): string;
}

/**
 * Starts the embedded server in `directory`, which is made at the first start. Without a port it listens on that of the
 * last start where it is free. Several processes may try at once: one server starts, the others' attempts fail.
 */
export async function startEmbedded(
  directory: string = DEFAULT_DIRECTORY,
  { binaries, ...options }: EmbeddedOptions = {},
): Promise<EmbeddedServer> {
  const home = await openHome(directory);
  const cluster = { binaries: binaries ?? (await embeddedBinaries()), dataDirectory: home.dataDirectory };
  const password = await ensurePassword(home);
  if (!existsSync(cluster.dataDirectory)) await createCluster(cluster, password);
  const { owner, stalePid } = await livingOwner(cluster.dataDirectory);
  if (owner) {
    const use = `DATABASE_URL='${superuserUrlAt(owner.port, password)}'`;
    throw new Complaint(`${directory} is in use by process ${owner.pid}. Stop it, or use it: ${use}`);
  }
  const server = await startServer(cluster, { ...options, preferredPort: await lastPort(home), stalePid });
  const urlOf = (database: string): string => superuserUrlAt(server.port, password, database);
  try {
    await rememberPort(home, server.port);
    const client = await connect(urlOf("postgres"));
    await ensureDatabase(client).finally(() => client.end());
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { ...server, url: urlOf(DATABASE), urlOf };
}

/** One process after the other: making the same database at once from two would fail. */
const LOCK = "hashtextextended('agent-ledger embedded database', 0)";

/** Makes the ledger's database where it is missing. Several processes may call it at once. */
export async function ensureDatabase(client: pg.ClientBase): Promise<void> {
  await client.query(`select pg_advisory_lock(${LOCK})`);
  const { rowCount } = await client.query("select from pg_database where datname = $1", [DATABASE]);
  if (!rowCount) await client.query(`create database ${DATABASE}`);
  // Where these locks are, a tenant's login could keep everybody else out by taking them.
  await client.query("revoke connect on database postgres from public");
  await client.query(`select pg_advisory_unlock(${LOCK})`);
}
