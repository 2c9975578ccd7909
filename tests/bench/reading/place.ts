/** Where reading is timed: two databases of its own, on the server of DATABASE_URL or else an embedded one. */
import { randomBytes } from "node:crypto";
import type pg from "pg";
import { connect } from "../../../src/database/connect.js";
import { migrateToCurrent } from "../../../src/database/migrate.js";
import { provideServer, urlOf } from "../server.js";
import type { Books, Readers } from "./case.js";

/** What an embedded server is given; fsync and work_mem stay as they come. */
const SETTINGS = { max_connections: 50, shared_buffers: "512MB", max_wal_size: "4GB" };
const BOOKS: readonly Books[] = ["tree", "many", "arms", "chains"];
/** The planner is to know nothing until it is told to look. */
const TABLES = ["pools", "pool_heads", "channels", "nodes", "runs", "journal", "usage_lines", "operations"];

/** Databases, connections and logins, until `close`. */
export interface Place {
  readonly readers: Readers;
  /** One more connection of the superuser to the books. */
  connect(): Promise<pg.Client>;
  /** Gives the planner statistics of everything. */
  analyze(): Promise<void>;
  close(): Promise<void>;
}

/** Makes the databases on that server or an embedded one, migrated and with a tenant for each of the books, and connects everybody. */
export async function openPlace(serverUrl: string | undefined): Promise<Place> {
  const server = await provideServer(serverUrl, SETTINGS);
  const name = `ledger_bench_${randomBytes(4).toString("hex")}`;
  const [main, alone] = [name, `${name}_alone`];
  const clients: pg.Client[] = [];
  const login = (books: Books): { user: string; password: string } => ({ user: `${name}_${books}`, password: name });
  const open = async (url: string): Promise<pg.Client> => {
    const client = await connect(url);
    clients.push(client);
    return client;
  };
  const close = async (): Promise<void> => {
    await Promise.all(clients.map((client) => client.end()));
    const administrator = await connect(server.url);
    for (const database of [alone, main]) await administrator.query(`drop database if exists ${database} with (force)`);
    for (const books of BOOKS) await administrator.query(`drop role if exists ${login(books).user}`);
    await administrator.end();
    await server.stop();
  };
  try {
    const administrator = await open(server.url);
    await administrator.query(`create database ${main} template template0 encoding 'UTF8' locale 'C'`);
    await migrateToCurrent(urlOf(server.url, main));
    await prepare(urlOf(server.url, main), login);
    await administrator.query(`create database ${alone} template ${main}`);
    const superuser = await open(urlOf(server.url, main));
    const owner = await open(urlOf(server.url, main));
    await owner.query("set role ledger_owner");
    const auditors = {} as Record<Books, pg.ClientBase>;
    for (const books of BOOKS) auditors[books] = await open(urlOf(server.url, main, login(books)));
    const lone = await open(urlOf(server.url, alone));
    return {
      readers: { superuser, owner, auditors, alone: lone },
      connect: () => open(urlOf(server.url, main)),
      async analyze() {
        for (const client of [superuser, lone]) await client.query("vacuum (analyze)");
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function prepare(url: string, login: (books: Books) => { user: string; password: string }): Promise<void> {
  const client = await connect(url);
  try {
    for (const table of TABLES) {
      await client.query(`alter table ledger_private.${table} set (autovacuum_enabled = false)`);
    }
    for (const books of BOOKS) {
      const { user, password } = login(books);
      await client.query("select ledger.create_tenant($1)", [books]);
      await client.query(`create role ${user} login password '${password}' in role ledger_auditor`);
      await client.query("select ledger.bind_role($1, $2)", [user, books]);
    }
  } finally {
    await client.end();
  }
}
