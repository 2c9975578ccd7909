/** Bringing a database to this version of the ledger. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { current, Logger, migrate as runCommitted } from "graphile-migrate";
import { clearAllPools } from "graphile-migrate/dist/pgReal.js";
import JSON5 from "json5";
import type pg from "pg";
import { Complaint } from "./complaint.js";
import { connect } from "./connect.js";
import type { MigrateOptions } from "./migrate-options.js";

/** The folder of the migrations, beside `src` in a checkout and beside `dist` in a package. */
export const MIGRATIONS = fileURLToPath(new URL("../../migrations", import.meta.url));

/**
 * Runs the committed migrations that the database has not seen, as the superuser that the URL
 * names. Several processes may call it at once: one works, the others wait and find nothing to do.
 */
export function migrate(url: string, options: MigrateOptions = {}): Promise<void> {
  return withMigrations(url, options, (settings) => runCommitted(settings));
}

/**
 * The same, and `current.sql` on top: the schema as the working tree has it. For development and
 * tests only, because what it applies has no place in the history of the database yet.
 */
export function migrateToCurrent(url: string, options: MigrateOptions = {}): Promise<void> {
  if (!existsSync(join(MIGRATIONS, "current.sql"))) return migrate(url, options);
  return withMigrations(url, options, (settings) => current(settings));
}

/** Settings of graphile-migrate. */
export type Settings = Parameters<typeof runCommitted>[0];

/** The key under which processes that migrate the same database queue. */
const LOCK = "hashtextextended('agent-ledger migrate', 0)";
const LOCK_NOT_AVAILABLE = "55P03";

/**
 * Runs a command of graphile-migrate on that database, alone, and leaves no connection of it. The
 * connections it makes must come from the settings given, which is how they are recognised.
 */
export async function withMigrations(
  url: string,
  { log, patienceMs = 30_000 }: MigrateOptions,
  work: (settings: Settings) => Promise<void>,
): Promise<void> {
  // graphile-migrate only tries its own lock and fails; waiting for ours comes first.
  const client = await connect(url);
  const name = `agent-ledger migrate ${randomUUID()}`;
  try {
    await queue(client, patienceMs, log);
    const connectionString = `${url}${url.includes("?") ? "&" : "?"}application_name=${encodeURIComponent(name)}`;
    const logger = new Logger(() => (_level, message) => log?.(message));
    const settings = JSON5.parse(await readFile(join(MIGRATIONS, "gmrc.json5"), "utf8")) as Settings;
    await work({ ...settings, migrationsFolder: MIGRATIONS, connectionString, logger });
  } catch (error) {
    throw explained(error);
  } finally {
    await untilDisconnected(client, name);
    await client.end();
  }
}

/** Waits for its turn, which `npm run db:watch` gives to nobody while it runs. */
async function queue(client: pg.Client, patienceMs: number, log: MigrateOptions["log"]): Promise<void> {
  const { rows } = await client.query<{ had: boolean }>(`select pg_try_advisory_lock(${LOCK}) as had`);
  if (rows[0]?.had) return;
  log?.("waiting for another migration of this database");
  await client.query("select set_config('lock_timeout', $1, false)", [`${patienceMs}ms`]);
  await client.query(`select pg_advisory_lock(${LOCK})`).catch((error: pg.DatabaseError) => {
    if (error.code !== LOCK_NOT_AVAILABLE) throw error;
    const message = `Another migration of this database did not end within ${patienceMs / 1000} s: stop it, then try again`;
    throw new Complaint(message, { cause: error });
  });
}

/**
 * graphile-migrate keeps its connections for a while, and ends the process when the server closes
 * one of them. Close them now: the caller may want to stop the server or copy the database.
 */
async function untilDisconnected(client: pg.Client, name: string): Promise<void> {
  clearAllPools();
  const text = "select from pg_stat_activity where application_name = $1";
  // The name was truncated to what fits an identifier.
  while ((await client.query(text, [name.slice(0, 63)])).rowCount) await sleep(5);
}

/** Puts the place in the SQL, which graphile-migrate attaches to the error, into the message. */
function explained(error: unknown): unknown {
  const place = (error as { _gmMessageOverride?: unknown } | null)?._gmMessageOverride;
  return typeof place === "string" ? new Error(`Migration failed\n${place}`, { cause: error }) : error;
}
