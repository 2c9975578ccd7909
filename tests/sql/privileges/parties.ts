/** Who may be connected: a login role for each way of standing to the ledger, and two tenants to tell apart. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { connect } from "../../../src/database/connect.js";
import { createLoginRole, type TestDatabase } from "../../setup/database.js";
import { Books } from "../books.js";
import { playHistory } from "../history.js";
import { archive } from "../retention.js";

/** Names of the parties. `own` are bound to one tenant, the others to all, or to none. */
export type PartyName =
  | "writer"
  | "auditor"
  | "admin"
  | "writer of all"
  | "unbound writer"
  | "unbound auditor"
  | "stranger";

export interface Parties {
  /** The tenant that the bound roles act for. */
  readonly own: string;
  /** Another one with the same history under the same ids. */
  readonly foreign: string;
  readonly urls: Readonly<Record<PartyName, string>>;
  readonly connections: Readonly<Record<PartyName, pg.Client>>;
  /** Ends the connections and removes what the database's own `drop` does not know of. */
  leave(): Promise<void>;
}

/** Makes the tenants and the login roles, and connects each. */
export async function makeParties(database: TestDatabase): Promise<Parties> {
  const client = await database.connect();
  const [own, foreign] = [await Books.open(client), await Books.open(client)];
  for (const books of [own, foreign]) {
    await playHistory(books);
    await archive(books, "run-a");
  }
  const tenantId = own.tenantId;
  const stranger = await makeStranger(database);
  const urls: Record<PartyName, string> = {
    writer: await createLoginRole(database, { memberOf: "ledger_writer", tenantId }),
    auditor: await createLoginRole(database, { memberOf: "ledger_auditor", tenantId }),
    admin: await createLoginRole(database, { memberOf: "ledger_admin" }),
    "writer of all": await createLoginRole(database, { memberOf: "ledger_writer", tenantId: "*" }),
    "unbound writer": await createLoginRole(database, { memberOf: "ledger_writer" }),
    "unbound auditor": await createLoginRole(database, { memberOf: "ledger_auditor" }),
    stranger: stranger.url,
  };
  const opened = await Promise.all(
    Object.entries(urls).map(async ([name, url]) => [name, await connect(url)] as const),
  );
  const connections = Object.fromEntries(opened) as Record<PartyName, pg.Client>;
  return {
    own: tenantId,
    foreign: foreign.tenantId,
    urls,
    connections,
    async leave() {
      await Promise.all(Object.values(connections).map((connection) => connection.end()));
      await client.query(`drop role ${stranger.name}`);
    },
  };
}

/** A login role of the cluster that the ledger knows nothing of. */
async function makeStranger(database: TestDatabase): Promise<{ url: string; name: string }> {
  const url = new URL(database.url);
  url.username = `${database.name}_stranger`;
  url.password = randomBytes(16).toString("hex");
  await database.pool.query(`create role ${url.username} login password '${url.password}'`);
  return { url: url.href, name: url.username };
}

/** The SQLSTATE that a statement raises; undefined where it does not. */
export async function sqlstateOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof pg.DatabaseError) return error.code;
    throw error;
  }
}
