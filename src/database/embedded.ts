/**
 * The embedded server: a real Postgres with its data beside the project, for work without a
 * database server. It belongs to the one process that started it and ends with it.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import pg from "pg";
import { type Binaries, embeddedBinaries } from "./binaries.js";
import { createCluster, SUPERUSER } from "./cluster.js";
import { Complaint } from "./complaint.js";
import { sessionConfig } from "./connect.js";
import { LOOPBACK } from "./port.js";
import { livingOwner } from "./postmaster.js";
import { type RunningServer, type ServerOptions, startServer } from "./server.js";

/** Where the data is unless said otherwise: in the folder the command is run from. */
export const DEFAULT_DIRECTORY = ".agent-ledger";

const DATABASE = "agent_ledger";

/** How to run an embedded server. */
export interface EmbeddedOptions extends ServerOptions {
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

/** Starts the embedded server in `directory`, which is made at the first start. */
export async function startEmbedded(
  directory: string = DEFAULT_DIRECTORY,
  { binaries, ...options }: EmbeddedOptions = {},
): Promise<EmbeddedServer> {
  const root = resolve(directory);
  await mkdir(root, { recursive: true });
  const cluster = { binaries: binaries ?? (await embeddedBinaries()), dataDirectory: join(root, "data") };
  const password = await persistedPassword(join(root, "superuser-password"));
  if (!existsSync(cluster.dataDirectory)) await createCluster(cluster, password);
  const urlAt = (port: number, database: string): string =>
    `postgres://${SUPERUSER}:${password}@${LOOPBACK}:${port}/${database}`;
  const owner = await livingOwner(cluster.dataDirectory);
  if (owner) {
    const use = `DATABASE_URL='${urlAt(owner.port, DATABASE)}'`;
    throw new Complaint(`${directory} is in use by process ${owner.pid}. Stop it, or use it: ${use}`);
  }
  const server = await startServer(cluster, options);
  const urlOf = (database: string): string => urlAt(server.port, database);
  try {
    await ensureDatabase(urlOf("postgres"));
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { ...server, url: urlOf(DATABASE), urlOf };
}

/** The superuser's password: random, made once, readable by this account alone. */
async function persistedPassword(file: string): Promise<string> {
  if (!existsSync(file)) {
    const password = randomBytes(24).toString("base64url");
    // Written aside and renamed, so that an interrupted first start leaves no half of it.
    await writeFile(`${file}.unfinished`, `${password}\n`, { mode: 0o600 });
    await rename(`${file}.unfinished`, file);
  }
  return (await readFile(file, "utf8")).trim();
}

async function ensureDatabase(url: string): Promise<void> {
  const client = new pg.Client(sessionConfig(url));
  await client.connect();
  try {
    const { rowCount } = await client.query("select from pg_database where datname = $1", [DATABASE]);
    if (!rowCount) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
}
