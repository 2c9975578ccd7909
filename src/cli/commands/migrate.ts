/** `agent-ledger migrate`: brings the database to this version of the ledger. */
import type { Command } from "commander";
import { attach } from "../../database/attach.js";
import { Complaint } from "../../database/complaint.js";
import { explain } from "../../database/explain.js";
import { migrate } from "../../database/migrate.js";
import { type ConnectionOptions, databaseOf } from "../context.js";
import { print, printJson } from "../output.js";
import { addWork } from "../verb.js";

/** Adds the verb. */
export function addMigrate(program: Command): void {
  const command = program
    .command("migrate")
    .description("bring the database to this version, as a superuser; repeating it is ok");
  addWork(command, async (options: ConnectionOptions) => {
    const steps: string[] = [];
    const log = (line: string): void => {
      steps.push(line);
      if (!options.json) print(line);
    };
    const given = databaseOf(options);
    if (given) await migrateGiven(given, log);
    else await migrateEmbedded(log);
    if (options.json) printJson({ migrated: true, steps });
    else print("The database is up to date");
  });
}

/** Migrates a database that somebody else runs; what keeps it from happening is said in terms of migrating. */
export async function migrateGiven(given: { url: string; source: string }, log: (line: string) => void): Promise<void> {
  try {
    await migrate(given.url, { log });
  } catch (error) {
    const sentence = explain(error, given.url);
    throw sentence === undefined ? error : new Complaint(sentence.replace(/^DATABASE_URL:/, `${given.source}:`));
  }
}

async function migrateEmbedded(log: (line: string) => void): Promise<void> {
  const server = await attach();
  try {
    await migrate(server.superuserUrl, { log });
  } finally {
    await server.release();
  }
}
