/** `agent-ledger start`: everything at once on sessions that came with the package, to see what the ledger says of them. */
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { defaultDirectory } from "../../database/attach.js";
import { Complaint } from "../../database/complaint.js";
import { importClaudeCode } from "../../import/claude-code/import.js";
import { callerTenant, createTenant } from "../../ledger/call.js";
import type { LedgerEvent } from "../../ledger/feed.js";
import type { Ledger } from "../../ledger/ledger.js";
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
import { print, printError, printJson, printLegend } from "../output.js";
import { progressBar } from "../progress.js";
import { readBreakdown } from "../reports/breakdown.js";
import { noSuchRun } from "../reports/no-such.js";
import { untilStopped } from "../signals.js";
import { addWork } from "../verb.js";
import { printAudit, readAudit } from "./audit.js";
import { printBreakdown } from "./breakdown.js";
import { printImport } from "./import.js";
import { migrateGiven } from "./migrate.js";
import { printRuns, readRuns } from "./runs.js";
import { lineOf } from "./tail.js";
import { printTrajectory, readTrajectory } from "./trajectory.js";

/** Real sessions, figures only. They lie beside the sources in a checkout, and in an installation too. */
const SAMPLE = fileURLToPath(new URL("../../../src/sample/claude-code", import.meta.url));

/** The session of the sample that is shown in detail. */
const SHOWN = "258c7280-ae70-4798-800f-63464d01a85d";

const EVENTS_SHOWN = 5;

interface StartOptions extends ConnectionOptions {
  readonly keep?: true;
}

/** Adds the verb. */
export function addStart(program: Command): void {
  const command = program
    .command("start")
    .option("--keep", "keep the embedded server running until Ctrl-C, and print the psql line that looks into it")
    .description("prepare a ledger, import the sessions that came with the package, and show them");
  addWork(command, start);
}

async function start(options: StartOptions): Promise<void> {
  const given = databaseOf(options);
  if (given && options.keep)
    throw new UsageError(`--keep is for the embedded server; that of ${given.source} runs by itself`);
  if (!options.json) print(given ? `Using the server of ${given.source}` : `Using Postgres in ${defaultDirectory()}`);
  const database = given ? await prepare(given, options) : await openDatabase(options);
  try {
    await workOn(database, (ledger) => show(ledger, options, database));
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

/**
 * The journal is append-only: sample sessions among somebody's own would stay there. So they come into a tenant that has nothing, or has
 * them already.
 */
async function refuseOwnBooks(ledger: Ledger): Promise<void> {
  const pools = ledger.db.selectFrom("pools").where("tenant_id", "=", ledger.tenantId).select("pool_id").limit(1);
  const [any] = await pools.execute();
  if (!any || (await pools.where("pool_id", "=", SHOWN).execute()).length > 0) return;
  throw new Complaint(
    `Tenant ${ledger.tenantId} has books of its own, and the sample sessions would stay in them: name another tenant (--tenant sample)`,
  );
}

async function show(ledger: Ledger, options: StartOptions, database: OpenDatabase): Promise<void> {
  await refuseOwnBooks(ledger);
  const bar = progressBar(options);
  const report = await importClaudeCode(ledger, SAMPLE, { final: true, onProgress: bar.update }).finally(bar.stop);
  const runs = await readRuns(ledger);
  const breakdown = (await readBreakdown(ledger, SHOWN)) ?? noSuchRun(SHOWN, ledger.tenantId);
  const trajectory = await readTrajectory(ledger, SHOWN);
  const events: LedgerEvent[] = [];
  for await (const event of ledger.events({ last: EVENTS_SHOWN, follow: false })) events.push(event);
  const audit = await readAudit(ledger);
  if (options.json) {
    const tail = events.map(({ cursor, row }) => ({ cursor, ...row }));
    printJson({ tenant_id: ledger.tenantId, import: report, runs, breakdown, trajectory, tail, audit });
    return;
  }
  printImport(report);
  print();
  printRuns(runs);
  print("", `Session ${SHOWN}`, "");
  printBreakdown(breakdown);
  print();
  printTrajectory(trajectory);
  printLegend();
  print("", `The last ${events.length} events`);
  for (const { row } of events) print(`  ${lineOf(row)}`);
  print();
  printAudit(audit);
  print("", "Next:", ...nextSteps(database));
}

/** What somebody who has seen the screen may want to type. */
function nextSteps({ embedded, tenantId }: OpenDatabase): string[] {
  const tenant = embedded && tenantId === LOCAL_TENANT ? "" : ` --tenant ${tenantId}`;
  const steps = [
    [`trajectory ${SHOWN}`, "the tree of one session"],
    ["usage", "per day and model"],
    [`pool show ${SHOWN}`, "the pool of that session"],
    ["tail --no-follow -n 20", "the last events"],
    ["import claude-code ~/.claude/projects", "your own sessions"],
    ...(embedded ? [["start --keep", "keeps this Postgres running and prints its psql line"]] : []),
  ];
  const typed = steps.map(([verb, why]) => [`npx agent-ledger ${verb}${tenant}`, why] as const);
  const width = Math.max(...typed.map(([line]) => line.length));
  return typed.map(([line, why]) => `  ${line.padEnd(width)}   ${why}`);
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
