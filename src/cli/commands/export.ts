/** `agent-ledger export`: the books of a tenant or a run as lines of JSON, as they are at one moment. */
import type { Command } from "commander";
import { Complaint } from "../../database/complaint.js";
import { exportTypes } from "../../export/encode.js";
import { writeFileOf, writeTo } from "../../export/file.js";
import { exportLines } from "../../export/write.js";
import type { Ledger } from "../../ledger/ledger.js";
import { type ConnectionOptions, readLedger } from "../context.js";
import { UsageError } from "../errors.js";
import { amount, print, printJson } from "../output.js";
import { lineCounter } from "../progress.js";
import { noSuchRun } from "../reports/no-such.js";
import { untilStopped } from "../signals.js";
import { addWork } from "../verb.js";

interface ExportOptions extends ConnectionOptions {
  readonly run?: string;
  readonly out?: string;
  readonly gzip?: true;
  readonly blobs?: true;
}

/** Adds the verb. */
export function addExport(program: Command): void {
  const command = program
    .command("export")
    .option("--run <run>", "that run only, else everything of the tenant")
    .option("--out <file>", "write a file, which appears when it is complete (else standard output)")
    .option("--gzip", "packed")
    .option("--blobs", "the bytes of artifacts too")
    .description("the books as lines of JSON, which agent-ledger verify-export proves without a database");
  addWork(command, (options: ExportOptions) => readLedger(options, (ledger) => exportBooks(ledger, options)));
}

async function exportBooks(ledger: Ledger, options: ExportOptions): Promise<void> {
  const { run, out, gzip = false, blobs = false } = options;
  if (out === "") throw new UsageError("--out names a file");
  await assertRun(ledger, run);
  const signal = untilStopped();
  const onProgress = lineCounter("Exported", options);
  let lines = 0;
  const work = ledger.snapshot(async (db) => {
    const counted = async function* (): AsyncGenerator<string, void, undefined> {
      for await (const line of exportLines({ db, tenantId: ledger.tenantId, run }, { blobs, onProgress })) {
        lines += 1;
        yield line;
      }
    };
    if (out === undefined) await writeTo(counted(), process.stdout, { gzip, signal });
    else await writeFileOf(counted(), out, { gzip, signal });
  }, exportTypes());
  await work.catch((error: unknown): void => {
    if (!signal.aborted) throw failureOf(error, out);
    // Who reads standard output has had enough.
    if (out !== undefined) throw new Complaint("Stopped: nothing was written");
  });
  if (out === undefined) return;
  if (options.json) printJson({ file: out, lines });
  else print(`Exported: ${amount(String(lines))} lines to ${out}`, `agent-ledger verify-export ${out} proves them`);
}

async function assertRun({ db, tenantId }: Ledger, run: string | undefined): Promise<void> {
  if (run === undefined) return;
  const runs = db.selectFrom("runs").select("run_id").where("tenant_id", "=", tenantId).where("run_id", "=", run);
  if (!(await runs.executeTakeFirst())) noSuchRun(run, tenantId);
}

/** What the file system has against it, in words. */
function failureOf(error: unknown, out: string | undefined): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (out === undefined || syscall === undefined || code === undefined) return error;
  return new Complaint(`${out} cannot be written: ${message}`);
}
