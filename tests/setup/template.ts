/** The migrated database that every test file gets a copy of: migrating takes far longer than copying. */
import { randomBytes } from "node:crypto";
import type { TestProject } from "vitest/node";
import { connect } from "../../src/database/connect.js";
import { migrateToCurrent } from "../../src/database/migrate.js";
import type { SharedServer } from "./provider.js";

/** What a test file is told of its project's server. */
export interface ProvidedPostgres {
  /** Connects the superuser to a database that is not the tests'. */
  readonly url: string;
  /** Name of the template database; names of databases and roles made for tests begin with it. */
  readonly template: string;
  /** Major version of the server. */
  readonly major: number;
}

declare module "vitest" {
  export interface ProvidedContext {
    postgres: ProvidedPostgres;
  }
}

/** Same server and credentials, another database. */
export function urlOf(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${database}`;
  return other.href;
}

/** Builds the template, tells the project of it, and answers how to leave the server as it was. */
export async function serveTemplate(project: TestProject, server: SharedServer): Promise<() => Promise<void>> {
  const template = `ledger_test_${randomBytes(4).toString("hex")}`;
  const tearDown = async (): Promise<void> => {
    await removeAll(server.url, template).finally(() => server.stop());
  };
  try {
    const major = await build(server.url, template);
    project.provide("postgres", { url: server.url, template, major });
    console.log(`${project.name}: PostgreSQL ${major}, ${server.source}`);
  } catch (error) {
    await tearDown();
    throw error;
  }
  return tearDown;
}

async function build(url: string, template: string): Promise<number> {
  const client = await connect(url);
  try {
    // From template0 and in the C locale: the same order of text on every server.
    await client.query(`create database ${template} template template0 encoding 'UTF8' locale 'C'`);
    await migrateToCurrent(urlOf(url, template));
    await client.query(`alter database ${template} with is_template true allow_connections false`);
    const { rows } = await client.query<{ version: string }>("select current_setting('server_version_num') as version");
    return Math.floor(Number(rows[0]?.version) / 10_000);
  } finally {
    await client.end();
  }
}

/** Drops the template, and what test files that failed have left behind. */
async function removeAll(url: string, template: string): Promise<void> {
  const client = await connect(url);
  const named = async (catalog: string, column: string): Promise<string[]> => {
    const text = `select ${column} as name from ${catalog} where starts_with(${column}, $1)`;
    return (await client.query<{ name: string }>(text, [template])).rows.map(({ name }) => name);
  };
  try {
    for (const name of await named("pg_database", "datname")) {
      await client.query(`alter database ${name} with is_template false`);
      await client.query(`drop database if exists ${name} with (force)`);
    }
    for (const name of await named("pg_roles", "rolname")) await client.query(`drop role if exists ${name}`);
  } finally {
    await client.end();
  }
}
