/** `agent-ledger import …`: sessions of an agent as runs, results made elsewhere, and spans. */
import type { Command } from "commander";
import { importClaudeCode } from "../../import/claude-code/import.js";
import type { Problem } from "../../import/claude-code/problems.js";
import type { CallsReport, ImportReport } from "../../import/claude-code/report.js";
import { type ConnectionOptions, withLedger } from "../context.js";
import { namedAmounts } from "../options.js";
import { amount, print, printError, printJson, printJsonError, printTable } from "../output.js";
import { progressBar } from "../progress.js";
import { currentBook, readPriceBooks } from "../reports/price-books.js";
import { addWork } from "../verb.js";
import { addImportArms } from "./import-arms.js";
import { addImportOtel } from "./import-otel.js";

interface ImportOptions extends ConnectionOptions {
  readonly budget?: Record<string, string>;
  readonly final?: true;
}

/** Adds the verbs. */
export function addImport(program: Command): void {
  const source = program.command("import").description("bring in what agents did elsewhere");
  const command = source
    .command("claude-code")
    .argument("<folder>", "a project's folder, the folder of all of them (~/.claude/projects), or a session's file")
    .option("--budget <channel=total,…>", "cap the pools of new runs, such as tokens=20000000,usd=50", namedAmounts)
    .option("--final", "settle every child now; without it, those of sessions that were quiet for 10 minutes")
    .description("import sessions of Claude Code as runs; importing them again adds what is new");
  addWork(command, (options: ImportOptions, folder: string) =>
    withLedger(options, async (ledger) => {
      const bar = progressBar(options);
      const { budget, final } = options;
      const more = { ...(budget !== undefined && { budget }), ...(final && { final }), onProgress: bar.update };
      const book = currentBook(await readPriceBooks(ledger));
      const report = await importClaudeCode(ledger, folder, more).finally(bar.stop);
      if (options.json) printJson(report);
      else printImport(report);
      // A call is priced when it is metered, and not later.
      if (book !== null || report.totals.new === 0) return;
      if (options.json) printJsonError({ notice: { message: NO_BOOK } });
      else printError(NO_BOOK);
    }),
  );
  addImportArms(source);
  addImportOtel(source);
}

const NO_BOOK =
  "No price book is in use, so the dollars of these calls are unknown: agent-ledger prices import, before the next import";

/** What was imported, and what could not be. */
export function printImport({ folder, sessions, problems, totals }: ImportReport): void {
  printTable(
    `Imported from ${folder}`,
    ["session", "files", "calls", "new", "corrected", "waiting", "counted elsewhere", "children", "problems"],
    sessions.map(({ run, files, calls, children, problems: met }) => [
      run,
      ...[files, calls.found, calls.new, calls.corrected, calls.waiting, callsElsewhere(calls), children.found].map(
        count,
      ),
      count(met.length),
    ]),
  );
  for (const { run, calls } of sessions) {
    for (const other of calls.elsewhere) {
      print(`${count(other.calls)} calls of ${run} are counted in ${other.session}, which had them first`);
    }
  }
  printProblems([...problems, ...sessions.flatMap((session) => session.problems)]);
  if (totals.waiting > 0) {
    print(
      `${count(totals.waiting)} calls wait in children that are not settled: import again when they are quiet, or with --final`,
    );
  }
  const nothing = totals.new + totals.corrected === 0;
  print(nothing ? "Nothing was new" : `${count(totals.new)} calls were new, ${count(totals.corrected)} were corrected`);
}

function callsElsewhere({ elsewhere }: CallsReport): number {
  return elsewhere.reduce((sum, { calls }) => sum + calls, 0);
}

function count(number: number): string {
  return amount(String(number));
}

/** More than these say nothing new to a person; --json has them all. */
const PROBLEMS_SHOWN = 20;

function printProblems(problems: readonly Problem[]): void {
  for (const { file, line, problem } of problems.slice(0, PROBLEMS_SHOWN)) {
    print(`${file}${line === undefined ? "" : `:${line}`}: ${problem}`);
  }
  const left = problems.length - PROBLEMS_SHOWN;
  if (left > 0) print(`${count(left)} more problems: --json lists them`);
}
