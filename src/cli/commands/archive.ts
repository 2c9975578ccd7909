/** `agent-ledger archive`: exports closed runs to files, proves the files, and moves the runs out of the journal, as an administrator. */
import { stat } from "node:fs/promises";
import type { Command } from "commander";
import { Complaint } from "../../database/complaint.js";
import { type ArchivedRun, archiveToFile, runsToArchive } from "../../export/archive.js";
import { type ConnectionOptions, openDatabase, withClient, workOn } from "../context.js";
import { UsageError } from "../errors.js";
import { moment } from "../options.js";
import { amount, print, printJson } from "../output.js";
import { untilStopped } from "../signals.js";
import { addWork } from "../verb.js";

interface ArchiveOptions extends ConnectionOptions {
  readonly before: Date;
  readonly to: string;
}

/** Adds the verb. */
export function addArchive(program: Command): void {
  const command = program
    .command("archive")
    .requiredOption("--before <date>", "runs that ended before that day or instant", moment)
    .requiredOption("--to <folder>", "where the export of each run goes, in a file of its own")
    .description(
      "move closed runs out of the journal: each is exported and proven first; every question is answered as before, " +
        "writers go on, and broken off it goes on the next time",
    );
  addWork(command, archive);
}

async function archive(options: ArchiveOptions): Promise<void> {
  const isFolder = await stat(options.to).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new UsageError(`--to names a folder, and ${options.to} is none`);
  const stopped = untilStopped();
  const archived: ArchivedRun[] = [];
  const database = await openDatabase(options);
  try {
    await withClient(database.adminUrl, (client) =>
      workOn(database, async (ledger) => {
        for (const run of await runsToArchive(ledger, options.before)) {
          if (stopped.aborted) break;
          const done = await archiveToFile(ledger, client, run, options.to, stopped);
          archived.push(done);
          if (!options.json) print(`${run}: ${amount(String(done.events))} events, ${done.file}`);
        }
      }),
    );
  } catch (error) {
    if (!stopped.aborted) throw failureOf(error);
  } finally {
    await database.release();
  }
  if (stopped.aborted) throw new Complaint(`Stopped: ${archived.length} runs are archived, go on any time`);
  if (options.json) printJson({ archived });
  else print(archived.length === 0 ? "No run to archive" : `Archived: ${archived.length} runs`);
}

/** What the file system has against it, in words. */
function failureOf(error: unknown): unknown {
  const { syscall, message } = error as NodeJS.ErrnoException;
  return syscall === undefined || !/^E[A-Z]+:/.test(message)
    ? error
    : new Complaint(`The export cannot be written: ${message}`);
}
