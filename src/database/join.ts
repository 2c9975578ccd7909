/** Becoming a user of an embedded server that runs already. */
import pg from "pg";
import { Complaint } from "./complaint.js";
import { sessionConfig } from "./connect.js";
import { ensureDatabase } from "./embedded.js";
import { type Home, readPassword, superuserUrlAt, urlAt } from "./home.js";
import { readPostmaster } from "./postmaster.js";
import { isAlive } from "./process.js";
import { enter } from "./users.js";

/** A process's use of the server. It ends with the process, in whatever way that ends, and keeps no process running. */
export interface Attachment {
  /** Connects the superuser to the ledger's database. */
  readonly superuserUrl: string;
  /** Connects that user, to the ledger's database unless another is named. */
  urlOf(user: string, password: string, database?: string): string;
  /** Absolute path of the folder. */
  readonly directory: string;
  readonly port: number;
  /** Settles when the server went away before `release`: attach again. Nothing that was committed is lost. */
  readonly lost: Promise<void>;
  /** Leaves. The server stops when nobody is left. */
  release(): Promise<void>;
}

/** No answer is the same as no server: whoever waits longer would wait for ever. */
const PATIENCE_MS = 5_000;
const REFUSED_PASSWORD = "28P01";
const PUT_BACK = "put the right one back, or set DATABASE_URL to a Postgres of yours";

/** @types/pg lacks these two. */
type Unreferable = pg.Client & { ref(): void; unref(): void };

/** Joins the server of that folder; undefined where none is ready, or it is just stopping. */
export async function join(home: Home): Promise<Attachment | undefined> {
  const server = await readPostmaster(home.dataDirectory);
  const password = await readPassword(home);
  if (server?.state !== "ready" || !isAlive(server.pid)) return undefined;
  if (!password) throw new Complaint(`${home.passwordFile} is missing: ${PUT_BACK}`);
  const { port } = server;
  const client = await enterAt(home, superuserUrlAt(port, password, "postgres"));
  if (!client) return undefined;
  let hasLeft = false;
  const lost = new Promise<void>((resolve) => {
    client.once("end", () => {
      if (!hasLeft) resolve();
    });
  });
  client.unref();
  return {
    superuserUrl: superuserUrlAt(port, password),
    urlOf: (user, secret, database) => urlAt(port, user, secret, database),
    directory: home.directory,
    port,
    lost,
    async release() {
      if (hasLeft) return;
      hasLeft = true;
      client.ref();
      await client.end();
    },
  };
}

/** The connection that makes this process a user; undefined where the server goes away meanwhile. */
async function enterAt(home: Home, url: string): Promise<Unreferable | undefined> {
  const config = sessionConfig(`${url}&application_name=${encodeURIComponent("agent-ledger user")}`);
  const client = new pg.Client({
    ...config,
    connectionTimeoutMillis: PATIENCE_MS,
    lock_timeout: PATIENCE_MS,
  }) as Unreferable;
  // Losing it is reported by its end.
  client.on("error", () => {});
  try {
    await client.connect();
    await enter(client);
    // The server is ready before the one who started it has made the database.
    await ensureDatabase(client);
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    if ((error as pg.DatabaseError).code !== REFUSED_PASSWORD) return undefined;
    const sentence = `${home.passwordFile} is not the password of the server that runs on that folder's data`;
    throw new Complaint(`${sentence}: ${PUT_BACK}`, { cause: error });
  }
}
