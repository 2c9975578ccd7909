/** `agent-ledger start`: everything at once on what came with the package, to see what the ledger says of it. */
import type { Command } from "commander";
import { defaultDirectory } from "../../database/attach.js";
import { Complaint } from "../../database/complaint.js";
import { callerTenant, createTenant } from "../../ledger/call.js";
import {
  type ConnectionOptions,
  databaseOf,
  LOCAL_TENANT,
  type OpenDatabase,
  openDatabase,
  tenantAsked,
  withClient,
  workOn,
} from "../context.js";
import { UsageError } from "../errors.js";
import { print, printError } from "../output.js";
import { untilStopped } from "../signals.js";
import { addWork } from "../verb.js";
import { migrateGiven } from "./migrate.js";
import { showSample } from "./start-show.js";

interface StartOptions extends ConnectionOptions {
  readonly keep?: true;
}

/** Adds the verb. */
export function addStart(program: Command): void {
  const command = program
    .command("start")
    .option("--keep", "keep the embedded server running until Ctrl-C, and print the psql line that looks into it")
    .description("prepare a ledger, import the sessions and results that came with the package, and show them");
  addWork(command, start);
}

async function start(options: StartOptions): Promise<void> {
  const given = databaseOf(options);
  if (given && options.keep)
    throw new UsageError(`--keep is for the embedded server; that of ${given.source} runs by itself`);
  if (!options.json) print(given ? `Using the server of ${given.source}` : `Using Postgres in ${defaultDirectory()}`);
  const database = given ? await prepare(given, options) : await openDatabase(options);
  try {
    await workOn(database, (ledger) => showSample(ledger, options, database));
    if (options.keep) await keep(database, options);
  } finally {
    await database.release();
  }
}

/**
 * A database that somebody else runs: migrated, and the tenant made, by whoever may. A login role that is bound to its tenant
 * finds both done.
 */
async function prepare(given: { url: string; source: string }, options: StartOptions): Promise<OpenDatabase> {
  const caller = await withClient(given.url, callerTenant).catch((error: { code?: string }) => {
    if (error.code === "3F000" || error.code === "42883") return "*";
    throw error;
  });
  if (caller !== "*") return openDatabase(options);
  await migrateGiven(given, (line) => {
    if (!options.json) print(line);
  });
  const tenant = tenantAsked(options) ?? LOCAL_TENANT;
  await withClient(given.url, (client) => createTenant(client, tenant));
  return openDatabase({ ...options, tenant });
}

/** Stays until told to stop. A server that ends before is a failure. */
async function keep(database: OpenDatabase, options: StartOptions): Promise<void> {
  const stopped = untilStopped();
  if (!options.json) {
    print("", `Look into it, as tenant ${database.tenantId}:`, `  psql '${database.url}'`, "");
    print("Ctrl-C ends it; the data stays, and removing the folder starts over");
  } else printError(`psql '${database.url}'`);
  // Waiting for a signal keeps no process running; a timer does.
  const timer = setInterval(() => {}, 60_000);
  const asked = new Promise<void>((resolve) => {
    if (stopped.aborted) resolve();
    stopped.addEventListener("abort", () => resolve());
  });
  const lost = database.lost.then(() => {
    throw new Complaint(`The server ended by itself; ${defaultDirectory()}/data.log says why`);
  });
  // Our own stop is no loss.
  lost.catch(() => {});
  try {
    await Promise.race([asked, lost]);
  } finally {
    clearInterval(timer);
  }
  if (!options.json) print("Stopped");
}
