/** From the options of a verb to an opened ledger, which is closed again when the verb's work is done. */
import type { Command } from "commander";
import type pg from "pg";
import { attach, openEmbedded } from "../database/attach.js";
import { connect, type SessionOptions } from "../database/connect.js";
import { migrate } from "../database/migrate.js";
import { callerTenant, follow } from "../ledger/call.js";
import { createLedger, type Ledger } from "../ledger/ledger.js";
import { UsageError } from "./errors.js";
import { printError, printJsonError } from "./output.js";

/** The options that every verb has. */
export interface ConnectionOptions {
  readonly json?: true;
  readonly tenant?: string;
  readonly databaseUrl?: string;
}

/** The tenant of the embedded default. */
export const LOCAL_TENANT = "local";

/** Adds the options that every verb has. */
export function withConnection(command: Command): Command {
  return command
    .option("--json", "print one JSON document instead of tables; amounts are exact texts")
    .option("--tenant <id>", "the tenant to act for (else AGENT_LEDGER_TENANT, else the login role's own)")
    .option("--database-url <url>", "the database (else DATABASE_URL, else the embedded server in .agent-ledger)");
}

/** The database that was asked for, and how; undefined stands for the embedded server. */
export function databaseOf(options: ConnectionOptions): { url: string; source: string } | undefined {
  if (options.databaseUrl) return { url: options.databaseUrl, source: "--database-url" };
  return process.env.DATABASE_URL ? { url: process.env.DATABASE_URL, source: "DATABASE_URL" } : undefined;
}

/** The tenant that was asked for, if one was. */
export function tenantAsked(options: ConnectionOptions): string | undefined {
  return options.tenant || process.env.AGENT_LEDGER_TENANT || undefined;
}

/** A database that is open: what the superuser or administrator connects by, and what the tenant's work does. */
export interface OpenDatabase {
  readonly tenantId: string;
  readonly url: string;
  readonly adminUrl: string;
  readonly embedded: boolean;
  /** Settles when the embedded server has ended by itself. */
  readonly lost: Promise<void>;
  release(): Promise<void>;
}

/** A server that is not ours is not ours to watch. */
const NEVER = new Promise<void>(() => {});

/** Opens the database asked for. The embedded one is created, migrated and started as needed. */
export async function openDatabase(options: ConnectionOptions): Promise<OpenDatabase> {
  const given = databaseOf(options);
  if (given) {
    const asked = tenantAsked(options);
    // Views show nothing to those who may not see it, and of tenants that are not there: that must not read as nothing spent.
    if (asked !== undefined) await withClient(given.url, (client) => follow(client, asked));
    const tenantId = asked ?? (await boundTenant(given.url));
    return { tenantId, url: given.url, adminUrl: given.url, embedded: false, lost: NEVER, release: async () => {} };
  }
  const tenantId = tenantAsked(options) ?? LOCAL_TENANT;
  const opened = await openEmbedded(tenantId);
  const { url, superuserUrl: adminUrl, lost } = opened;
  return { tenantId, url, adminUrl, embedded: true, lost, release: () => opened.release() };
}

/** Does a verb's work on the ledger of its tenant. */
export async function withLedger(
  options: ConnectionOptions,
  work: (ledger: Ledger) => Promise<void>,
  session: SessionOptions = {},
): Promise<void> {
  const database = await openDatabase(options);
  try {
    await workOn(database, work, session);
  } finally {
    await database.release();
  }
}

/**
 * The same for a verb that only reads. The embedded server makes whatever tenant is named: where it was not there before, a line says
 * so, since a name mistyped looks like a tenant that spent nothing.
 */
export async function readLedger(
  options: ConnectionOptions,
  work: (ledger: Ledger) => Promise<void>,
  session: SessionOptions = {},
): Promise<void> {
  if (databaseOf(options)) return withLedger(options, work, session);
  const server = await attach();
  try {
    const isNew = await isNewTenant(server.superuserUrl, tenantAsked(options) ?? LOCAL_TENANT);
    const told = async (ledger: Ledger): Promise<void> => {
      if (isNew) tellOfNewTenant(ledger, options);
      await work(ledger);
    };
    await withLedger(options, told, session);
  } finally {
    // Not before: a server that nobody uses stops.
    await server.release();
  }
}

function tellOfNewTenant({ tenantId }: Ledger, { json }: ConnectionOptions): void {
  const message = `Tenant ${tenantId} is new: nothing is in it yet`;
  if (json) printJsonError({ notice: { message } });
  else printError(message);
}

/** Whether the embedded server has no such tenant so far. What else is wrong is met again, and reported, on opening. */
async function isNewTenant(url: string, tenantId: string): Promise<boolean> {
  const ask = async (): Promise<string> => {
    try {
      await withClient(url, (client) => follow(client, tenantId));
      return "";
    } catch (error) {
      return String((error as { code?: unknown }).code);
    }
  };
  const code = await ask();
  if (!NO_SCHEMA.includes(code)) return code === NO_TENANT;
  // An older schema may have the tenant and not what was asked.
  await migrate(url).catch(() => {});
  return (await ask()) === NO_TENANT;
}

const NO_TENANT = "LG012";
/** What the server says where it has no ledger, or an older one. */
const NO_SCHEMA = ["3F000", "42883"];

/** Does work on the ledger of an open database. */
export async function workOn(
  database: OpenDatabase,
  work: (ledger: Ledger) => Promise<void>,
  session: SessionOptions = {},
): Promise<void> {
  const ledger = createLedger({ connectionString: database.url, tenantId: database.tenantId, ...session });
  try {
    await work(ledger);
  } finally {
    await ledger.close();
  }
}

/** The tenant that the login role is bound to, where it is one. */
async function boundTenant(url: string): Promise<string> {
  const tenant = await withClient(url, callerTenant);
  if (tenant !== null && tenant !== "*") return tenant;
  const role = tenant === null ? "is bound to no tenant" : "acts for all tenants";
  const how = tenant === null ? " (an administrator binds it: agent-ledger role bind <role> <tenant>)" : "";
  throw new UsageError(`The login role ${role}${how}: say which with --tenant`);
}

/** Does work as the administrator of the database asked for. */
export async function withAdministrator(
  options: ConnectionOptions,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const given = databaseOf(options);
  if (given) return withClient(given.url, work);
  const database = await openDatabase(options);
  try {
    await withClient(database.adminUrl, work);
  } finally {
    await database.release();
  }
}

/** Does work on a connection of its own. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await connect(url);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
