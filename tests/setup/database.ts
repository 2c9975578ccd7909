/** A database of its own for a test file, and login roles to use it as. */
import { randomBytes } from "node:crypto";
import type pg from "pg";
import { inject } from "vitest";
import { connect, createPool } from "../../src/database/connect.js";
import { urlOf } from "./template.js";

/** A migrated, empty ledger. */
export interface TestDatabase {
  /** Connects the superuser. */
  readonly url: string;
  readonly name: string;
  /** Connections of the superuser. */
  readonly pool: pg.Pool;
  /** One more connection of the superuser, for tests that need sessions of their own; ended by `drop`. */
  connect(): Promise<pg.Client>;
  /** Ends the connections and removes the database and the roles made for it. */
  drop(): Promise<void>;
}

/** Roles belong to the cluster, not to the database: each is remembered until its database is dropped. */
const rolesOf = new WeakMap<TestDatabase, string[]>();

/** Copies the template. Call it once per test file and `drop` the copy at the end. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { url: serverUrl, template } = inject("postgres");
  const name = `${template}_${randomBytes(6).toString("hex")}`;
  await asSuperuser([`create database ${name} template ${template}`]);
  const url = urlOf(serverUrl, name);
  const pool = createPool(url);
  const clients: pg.Client[] = [];
  const database: TestDatabase = {
    url,
    name,
    pool,
    async connect() {
      const client = await connect(url);
      clients.push(client);
      return client;
    },
    async drop() {
      await Promise.all([pool.end(), ...clients.map((client) => client.end())]);
      const roles = rolesOf.get(database) ?? [];
      await asSuperuser([
        `drop database if exists ${name} with (force)`,
        ...roles.map((role) => `drop role if exists ${role}`),
      ]);
    },
  };
  rolesOf.set(database, []);
  return database;
}

/** Makes a login role, bound to `tenantId` (`*` = all; none = unbound), and answers its URL. */
export async function createLoginRole(
  database: TestDatabase,
  options: { memberOf: "ledger_admin" | "ledger_writer" | "ledger_auditor"; tenantId?: string },
): Promise<string> {
  const url = new URL(database.url);
  url.username = `${database.name}_${randomBytes(4).toString("hex")}`;
  url.password = randomBytes(16).toString("hex");
  await database.pool.query(`create role ${url.username} login password '${url.password}' in role ${options.memberOf}`);
  rolesOf.get(database)?.push(url.username);
  if (options.tenantId !== undefined) {
    await database.pool.query("select ledger.bind_role($1, $2)", [url.username, options.tenantId]);
  }
  return url.href;
}

async function asSuperuser(statements: readonly string[]): Promise<void> {
  const client = await connect(inject("postgres").url);
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
