/** Where writing is timed: databases of the benchmark's own on one server, each case on fresh ones. */
import { randomBytes } from "node:crypto";
import type pg from "pg";
import { connect } from "../../../src/database/connect.js";
import { migrateToCurrent } from "../../../src/database/migrate.js";
import { provideServer, urlOf } from "../server.js";

/** What an embedded server is given besides the defaults of Postgres. */
const SETTINGS = { shared_buffers: "512MB" };

/** What the ledger writes to. */
const TABLES = ["pools", "pool_heads", "channels", "nodes", "runs", "journal", "usage_lines", "operations"];

/** A database, until the place closes or it is dropped. */
export interface Database {
  /** Connects the superuser. */
  readonly url: string;
  /** Connects a login in `ledger_writer`, bound to every tenant. In a database without a ledger: the superuser. */
  readonly writerUrl: string;
  /** A connection of the superuser. */
  readonly superuser: pg.Client;
  /** Keeps the planner from learning anything: nobody comes by to look. */
  neverAnalyze(): Promise<void>;
  drop(): Promise<void>;
}

/** Databases on one server. */
export interface Place {
  /** An empty ledger, never analysed. */
  ledger(): Promise<Database>;
  /** An empty database. */
  bare(): Promise<Database>;
  /** Drops what was made since; the template stays. */
  dropAll(): Promise<void>;
  /** Connects the superuser to a database that is not the benchmark's. */
  readonly url: string;
  close(): Promise<void>;
}

/** Migrates a template on that server, or on an embedded one. Everything that is made here is gone after `close`. */
export async function openPlace(serverUrl: string | undefined): Promise<Place> {
  const server = await provideServer(serverUrl, SETTINGS);
  const name = `ledger_bench_${randomBytes(4).toString("hex")}`;
  const login = { user: `${name}_writer`, password: randomBytes(12).toString("hex") };
  const databases = new Set<Database>();
  let made = 0;
  const ask = async (...statements: readonly string[]): Promise<void> => {
    const administrator = await connect(server.url);
    try {
      for (const statement of statements) await administrator.query(statement);
    } finally {
      await administrator.end();
    }
  };
  const make = async (from: string, as: typeof login | undefined): Promise<Database> => {
    const own = `${name}_${++made}`;
    await ask(`create database ${own} template ${from}`);
    const url = urlOf(server.url, own);
    const superuser = await connect(url);
    const database: Database = {
      url,
      writerUrl: as ? urlOf(server.url, own, as) : url,
      superuser,
      async neverAnalyze() {
        for (const table of TABLES) {
          await superuser.query(`alter table ledger_private.${table} set (autovacuum_enabled = false)`);
        }
      },
      async drop() {
        databases.delete(database);
        await superuser.end();
        await ask(`drop database if exists ${own} with (force)`);
      },
    };
    databases.add(database);
    return database;
  };
  const dropAll = async (): Promise<void> => {
    for (const database of databases) await database.drop();
  };
  const close = async (): Promise<void> => {
    await dropAll();
    await ask(`drop database if exists ${name} with (force)`, `drop role if exists ${login.user}`);
    await server.stop();
  };
  try {
    await ask(`create database ${name} template template0 encoding 'UTF8' locale 'C'`);
    await migrateToCurrent(urlOf(server.url, name));
    await ask(`create role ${login.user} login password '${login.password}' in role ledger_writer`);
    const template = await connect(urlOf(server.url, name));
    await template.query("select ledger.bind_role($1, '*')", [login.user]).finally(() => template.end());
    return {
      ledger: () => make(name, login),
      bare: () => make("template0", undefined),
      dropAll,
      url: server.url,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
